import Glibc

/// Listening sockets that a service manager opened for this process: sd_listen_fds(3).
///
/// They stay the manager's: none of them is closed, renamed or removed from here, and each use gets a duplicate.
/// Threads: any.
package struct PassedSockets: Sendable {
    private struct Passed {
        let name: String
        let descriptor: Int32
    }

    private let passed: [Passed]
    /// Why what the environment says is not used; `nil`: it says nothing, or is used.
    package let trouble: String?

    package static let none = PassedSockets([], trouble: nil)

    private init(_ passed: [Passed], trouble: String?) {
        self.passed = passed
        self.trouble = trouble
    }

    /// The manager passes descriptors from here on.
    package static let firstDescriptor: Int32 = 3
    /// More are a mistake: as many as systemd itself allows for one service by default.
    private static let maximum = 4_096
    /// What sd_listen_fds_with_names(3) calls those without a name.
    private static let nameless = "unknown"

    /// What the environment says. Nobody inherits the descriptors from now on.
    ///
    /// - Parameter process: our own process id, with which `LISTEN_PID` is compared.
    package init(environment: [String: String], process: Int32 = getpid()) {
        guard let countText = environment["LISTEN_FDS"] else {
            self = .none
            return
        }
        guard environment["LISTEN_PID"].flatMap(Int32.init) == process else {
            let owner = environment["LISTEN_PID"].map { "is \($0)" } ?? "is missing"
            self.init([], trouble: "LISTEN_PID \(owner), this process is \(process): the sockets are not for us")
            return
        }
        guard let count = Int32(countText), (0...Int32(Self.maximum)).contains(count) else {
            self.init([], trouble: "LISTEN_FDS is \"\(countText)\", not a number from 0 to \(Self.maximum)")
            return
        }
        let names = environment["LISTEN_FDNAMES"].map {
            $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
        if let names, names.count != Int(count) {
            self.init([], trouble: "LISTEN_FDNAMES has \(names.count) names for \(count) descriptors (LISTEN_FDS)")
            return
        }
        let passed = (0..<count).map { place in
            Passed(name: names?[Int(place)] ?? Self.nameless, descriptor: Self.firstDescriptor + place)
        }
        for one in passed { _ = fcntl(one.descriptor, F_SETFD, FD_CLOEXEC) }
        self.init(passed, trouble: nil)
    }

    /// Each name once, in the order of the descriptors.
    package var names: [String] {
        passed.map(\.name).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// Duplicates of all sockets of a name, for the caller to close.
    ///
    /// - Throws: `PassedSocketFailure` when there is none, or one that is no listening stream socket.
    package func open(_ name: String) throws(PassedSocketFailure) -> [Int32] {
        let found = passed.filter { $0.name == name }
        guard !found.isEmpty else { throw missing(name) }
        for one in found { try Self.check(one) }
        var duplicates: [Int32] = []
        for one in found {
            let duplicate = fcntl(one.descriptor, F_DUPFD_CLOEXEC, Self.firstDescriptor)
            guard duplicate >= 0 else {
                let reason = String(cString: strerror(errno))
                for duplicate in duplicates { close(duplicate) }
                throw PassedSocketFailure("the socket \(name) cannot be duplicated: \(reason)")
            }
            duplicates.append(duplicate)
        }
        return duplicates
    }

    private func missing(_ name: String) -> PassedSocketFailure {
        if let trouble { return PassedSocketFailure("no socket was passed: \(trouble)") }
        if passed.isEmpty {
            return PassedSocketFailure(
                "no socket was passed; start it by a .socket unit with FileDescriptorName=\(name), not by hand")
        }
        return PassedSocketFailure(
            "no socket of that name was passed, but \(names.joined(separator: ", ")); set FileDescriptorName=\(name) "
                + "in the .socket unit")
    }

    private static func check(_ passed: Passed) throws(PassedSocketFailure) {
        func failure(_ what: String) -> PassedSocketFailure {
            PassedSocketFailure("descriptor \(passed.descriptor) (\(passed.name)) \(what)")
        }
        let type = option(SO_TYPE, of: passed.descriptor)
        guard let type else { throw failure("is no socket") }
        guard type == Int32(SOCK_STREAM.rawValue) else {
            throw failure("is no stream socket; use ListenStream= in the .socket unit")
        }
        guard option(SO_ACCEPTCONN, of: passed.descriptor) == 1 else {
            throw failure("does not listen; use Accept=no in the .socket unit")
        }
        let families = [AF_UNIX, AF_INET, AF_INET6]
        guard let family = option(SO_DOMAIN, of: passed.descriptor), families.contains(family) else {
            throw failure("is neither a TCP nor a unix socket")
        }
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }
}

/// A socket that is to be used was not passed, or cannot be used: what and why.
package struct PassedSocketFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

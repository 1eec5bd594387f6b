import Glibc

/// Listening sockets that a service manager opened for this process: sd_listen_fds(3).
///
/// They belong to the service manager. This type never closes or removes them; each use gets a duplicate.
///
/// Concurrency: any thread.
/// Errors: `ActivationSocketError`.
package struct ActivationSockets: Sendable {
    private struct Passed {
        let name: String
        let descriptor: Int32
    }

    private let passed: [Passed]
    /// Why the variables of the environment are not used; `nil`: they are used, or there are none.
    package let error: String?

    package static let none = ActivationSockets([], error: nil)

    private init(_ passed: [Passed], error: String?) {
        self.passed = passed
        self.error = error
    }

    /// The first descriptor that the service manager passes.
    package static let firstDescriptor: Int32 = 3
    /// A larger number is a mistake: systemd allows no more for one service by default.
    private static let maximum = 4_096
    /// The name that sd_listen_fds_with_names(3) gives to sockets without a name.
    private static let nameless = "unknown"

    /// Reads `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`. Child processes do not inherit the descriptors from now on.
    ///
    /// - Parameter process: the id of this process, which has to be in `LISTEN_PID`.
    package init(environment: [String: String], process: Int32 = getpid()) {
        guard let countText = environment["LISTEN_FDS"] else {
            self = .none
            return
        }
        guard environment["LISTEN_PID"].flatMap(Int32.init) == process else {
            let owner = environment["LISTEN_PID"].map { "is \($0)" } ?? "is missing"
            self.init([], error: "LISTEN_PID \(owner), this process is \(process): the sockets are for another process")
            return
        }
        guard let count = Int32(countText), (0...Int32(Self.maximum)).contains(count) else {
            self.init([], error: "LISTEN_FDS is \"\(countText)\", not a number from 0 to \(Self.maximum)")
            return
        }
        let names = environment["LISTEN_FDNAMES"].map {
            $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
        if let names, names.count != Int(count) {
            self.init([], error: "LISTEN_FDNAMES has \(names.count) names for \(count) descriptors (LISTEN_FDS)")
            return
        }
        let passed = (0..<count).map { index in
            Passed(name: names?[Int(index)] ?? Self.nameless, descriptor: Self.firstDescriptor + index)
        }
        for socket in passed { _ = fcntl(socket.descriptor, F_SETFD, FD_CLOEXEC) }
        self.init(passed, error: nil)
    }

    /// Each name once, in the order of the descriptors.
    package var names: [String] {
        passed.map(\.name).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// Duplicates all sockets of a name. The caller closes the duplicates.
    ///
    /// - Throws: `ActivationSocketError` if there is none, or if one is not a listening stream socket.
    package func open(_ name: String) throws(ActivationSocketError) -> [Int32] {
        let found = passed.filter { $0.name == name }
        guard !found.isEmpty else { throw missing(name) }
        for socket in found { try Self.check(socket) }
        var duplicates: [Int32] = []
        for socket in found {
            let duplicate = fcntl(socket.descriptor, F_DUPFD_CLOEXEC, Self.firstDescriptor)
            guard duplicate >= 0 else {
                let reason = String(cString: strerror(errno))
                for duplicate in duplicates { close(duplicate) }
                throw ActivationSocketError("the socket \(name) cannot be duplicated: \(reason)")
            }
            duplicates.append(duplicate)
        }
        return duplicates
    }

    private func missing(_ name: String) -> ActivationSocketError {
        if let error { return ActivationSocketError("no socket was passed: \(error)") }
        if passed.isEmpty {
            return ActivationSocketError(
                "no socket was passed; start it by a .socket unit with FileDescriptorName=\(name), not by hand")
        }
        return ActivationSocketError(
            "no socket of that name was passed, but \(names.joined(separator: ", ")); set FileDescriptorName=\(name) "
                + "in the .socket unit")
    }

    private static func check(_ passed: Passed) throws(ActivationSocketError) {
        func failure(_ problem: String) -> ActivationSocketError {
            ActivationSocketError("descriptor \(passed.descriptor) (\(passed.name)) \(problem)")
        }
        guard let type = option(SO_TYPE, of: passed.descriptor) else { throw failure("is not a socket") }
        guard type == Int32(SOCK_STREAM.rawValue) else {
            throw failure("is not a stream socket; use ListenStream= in the .socket unit")
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

/// A socket was not passed, or cannot be used. The text says which, why, and which line of the unit to change.
package struct ActivationSocketError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

import Glibc

/// The daemon that writes the cache: it stands in the file's lock.
package struct DaemonFacts: Equatable, Sendable {
    package let process: Int32
    /// As whom it runs.
    package let user: UInt32

    package init(process: Int32, user: UInt32) {
        self.process = process
        self.user = user
    }

    /// `nil`: none runs, or this user may not read the lock.
    static func running(withCache path: String) -> DaemonFacts? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        guard let octets = SmallRead.octets(of: String(cString: resolved) + ".lock", limit: 32),
            let word = octets.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: " ") }).first,
            let process = Int32(String(decoding: word, as: UTF8.self)),
            let name = SmallRead.octets(of: "/proc/\(process)/comm", limit: 32), name.starts(with: "sts-bridge".utf8),
            case .found(let facts) = FileLook.at("/proc/\(process)")
        else { return nil }
        return DaemonFacts(process: process, user: facts.owner)
    }
}

/// Who asks all this.
package struct Examiner: Equatable, Sendable {
    package let user: UInt32

    package init(user: UInt32) {
        self.user = user
    }

    static var current: Examiner { Examiner(user: geteuid()) }

    package var isRoot: Bool { user == 0 }
}

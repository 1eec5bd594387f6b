import Glibc
import LocalSystem

/// A daemon that uses the cache file. The lock file beside it has the process ids, one a line.
package struct DaemonProcess: Equatable, Sendable {
    package let process: Int32
    /// The user of the process.
    package let user: UInt32

    package init(process: Int32, user: UInt32) {
        self.process = process
        self.user = user
    }

    /// The first daemon of the lock file that runs; `nil` if none runs, or this user may not see it.
    static func running(withCache path: String) -> DaemonProcess? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        guard let octets = try? SmallFile.read(String(cString: resolved) + ".lock", limit: 1_024) else { return nil }
        let ids = octets.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: " ") }
            .compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
        return ids.lazy.compactMap(daemon).first
    }

    private static func daemon(withID process: Int32) -> DaemonProcess? {
        guard let name = try? SmallFile.read("/proc/\(process)/comm", limit: 32), name.starts(with: "sts-bridge".utf8),
            case .found(let status) = FileLookup.at("/proc/\(process)")
        else { return nil }
        return DaemonProcess(process: process, user: status.owner)
    }
}

/// The user that runs the doctor.
package struct DoctorRunner: Equatable, Sendable {
    package let user: UInt32

    package init(user: UInt32) {
        self.user = user
    }

    static var current: DoctorRunner { DoctorRunner(user: geteuid()) }

    package var isRoot: Bool { user == 0 }
}

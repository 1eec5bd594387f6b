import Glibc

/// Tells the service manager how the service is: sd_notify(3), one datagram a message.
///
/// Threads: any. A datagram never waits: a manager that does not read loses it.
/// Fails by: `NotifyFailure`, which changes nothing for the service.
package struct ServiceNotifier: Sendable {
    package enum Message: Equatable, Sendable {
        /// It serves; also after a reload.
        case ready
        /// One line for `systemctl status`.
        case status(String)
        /// The configuration is read again, since this moment of CLOCK_MONOTONIC.
        case reloading(microseconds: UInt64)
        case stopping
        /// It lives; without it the manager ends it after `WATCHDOG_USEC`.
        case watchdog

        var assignments: String {
            switch self {
            case .ready: "READY=1"
            // A line's end would begin another assignment.
            case .status(let text): "STATUS=" + text.filter { !$0.isNewline && $0 != "\0" }
            case .reloading(let microseconds): "RELOADING=1\nMONOTONIC_USEC=\(microseconds)"
            case .stopping: "STOPPING=1"
            case .watchdog: "WATCHDOG=1"
            }
        }

        /// From now on.
        package static var reloadingNow: Message {
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            return .reloading(microseconds: UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1_000)
        }
    }

    private let address: String

    /// - Parameter address: `NOTIFY_SOCKET`: a path, or `@` and the name of an abstract socket.
    /// - Throws: `NotifyFailure` where it is neither, or too long.
    package init(_ address: String) throws(NotifyFailure) {
        self.address = address
        guard address.hasPrefix("/") || address.hasPrefix("@"), (2...Self.longest).contains(address.utf8.count) else {
            throw NotifyFailure("NOTIFY_SOCKET is \"\(address)\", neither an absolute path nor @ and a name")
        }
    }

    /// Octets that `sockaddr_un` has room for.
    private static let longest = 107

    /// All in one datagram, in their order.
    package func tell(_ messages: Message...) throws(NotifyFailure) {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure(errno) }
        defer { close(descriptor) }
        let text = Array(messages.map(\.assignments).joined(separator: "\n").utf8)
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)
        let sent = withAddress { sendto(descriptor, text, text.count, flags, $0, $1) }
        guard sent == text.count else { throw failure(errno) }
    }

    private func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int) -> Int {
        var socketAddress = sockaddr_un()
        socketAddress.sun_family = sa_family_t(AF_UNIX)
        var octets = Array(address.utf8)
        if address.hasPrefix("@") { octets[0] = 0 }
        withUnsafeMutableBytes(of: &socketAddress.sun_path) { $0.copyBytes(from: octets) }
        // An abstract name ends where the length says, a path with its NUL.
        let head = MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: socketAddress.sun_path)
        let length = socklen_t(head + octets.count + (octets[0] == 0 ? 0 : 1))
        return withUnsafePointer(to: &socketAddress) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    private func failure(_ code: Int32) -> NotifyFailure {
        NotifyFailure("cannot send to \(address) (NOTIFY_SOCKET): \(String(cString: strerror(code)))")
    }
}

/// The service manager could not be told, and why.
package struct NotifyFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

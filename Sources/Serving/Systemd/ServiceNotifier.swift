import Glibc
import LocalSystem

/// Sends the state of the service to the service manager, in datagrams.
///
/// Protocol: sd_notify(3).
/// Concurrency: any thread. Sending never waits.
/// Errors: `NotifyError`, also if the service manager's queue is full. The service goes on.
package struct ServiceNotifier: Sendable {
    package enum Message: Equatable, Sendable {
        /// The service is ready; also after a reload.
        case ready
        /// One line for `systemctl status`.
        case status(String)
        /// A reload has begun, at this time of CLOCK_MONOTONIC.
        case reloading(microseconds: UInt64)
        case stopping
        /// The service is alive. Without this message the service manager ends it after `WATCHDOG_USEC`.
        case watchdog

        var assignments: String {
            switch self {
            case .ready: "READY=1"
            // The text after a newline would be another assignment.
            case .status(let text): "STATUS=" + text.filter { !$0.isNewline && $0 != "\0" }
            case .reloading(let microseconds): "RELOADING=1\nMONOTONIC_USEC=\(microseconds)"
            case .stopping: "STOPPING=1"
            case .watchdog: "WATCHDOG=1"
            }
        }

        /// A reload that begins now.
        package static var reloadingNow: Message {
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            return .reloading(microseconds: UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1_000)
        }
    }

    /// `NOTIFY_SOCKET`, for messages.
    private let name: String
    private let address: UnixAddress

    /// - Parameter name: `NOTIFY_SOCKET`: a path, or `@` and the name of an abstract socket.
    /// - Throws: `NotifyError` if it is neither, or too long.
    package init(_ name: String) throws(NotifyError) {
        guard let address = Self.address(named: name) else {
            throw NotifyError(
                "NOTIFY_SOCKET is \"\(name)\", neither an absolute path nor @ and a name of at most \(UnixAddress.maximumLength - 1) octets"
            )
        }
        self.name = name
        self.address = address
    }

    private static func address(named name: String) -> UnixAddress? {
        guard name.utf8.count >= 2 else { return nil }
        if name.hasPrefix("/") { return UnixAddress(path: name) }
        return name.hasPrefix("@") ? UnixAddress(abstractName: String(name.dropFirst())) : nil
    }

    /// Sends all messages in one datagram, in their order.
    package func send(_ messages: Message...) throws(NotifyError) {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure(errno) }
        defer { close(descriptor) }
        let text = Array(messages.map(\.assignments).joined(separator: "\n").utf8)
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)
        let sent = address.withPointer { sendto(descriptor, text, text.count, flags, $0, $1) }
        guard sent == text.count else { throw failure(errno) }
    }

    private func failure(_ code: Int32) -> NotifyError {
        NotifyError("cannot send to \(name) (NOTIFY_SOCKET): \(String(cString: strerror(code)))")
    }
}

/// A message did not reach the service manager. The text says why.
package struct NotifyError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

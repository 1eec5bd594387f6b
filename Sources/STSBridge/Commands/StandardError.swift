import Foundation
import Glibc
import PolicyService

/// Lines for the human who typed the command, and for the log of a service manager.
enum StandardError {
    /// Blocks for as long as nobody reads.
    static func tell(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }

    /// The same for `limit` at most: a daemon that ends must end, though the reader of its log has stalled. What is not taken
    /// in time is lost.
    ///
    /// - Parameter descriptor: of a pipe, a terminal, a socket or a file.
    static func tell(_ line: String, within limit: Duration, to descriptor: Int32 = STDERR_FILENO) {
        var rest = Array((line + "\n").utf8)[...]
        let end = ContinuousClock.now + limit
        while !rest.isEmpty {
            var look = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let isReady = poll(&look, 1, Int32(clamping: max(0, (end - .now).milliseconds)))
            if isReady < 0, errno == EINTR { continue }
            guard isReady == 1 else { return }
            // After poll(2) a write of so few octets does not block (pipe(7), PIPE_BUF).
            let count = rest.prefix(maximumWrite).withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    private static let maximumWrite = 4_096
}

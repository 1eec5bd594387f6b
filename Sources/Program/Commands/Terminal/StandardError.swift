import BridgeDaemon
import Foundation
import Glibc
import TextFormats

/// Lines for the user who runs the command, and for the log of systemd.
enum StandardError {
    /// Blocks until the reader has read the line.
    static func write(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }

    /// Writes a line, but blocks only for `limit`: a failed daemon must end even if the reader of its log has stalled. The
    /// rest of the line is lost then.
    ///
    /// - Parameter descriptor: of a pipe, a terminal, a socket or a file.
    static func write(_ line: String, to descriptor: Int32 = STDERR_FILENO, within limit: Duration) {
        var rest = Array((line + "\n").utf8)[...]
        let end = ContinuousClock.now + limit
        while !rest.isEmpty {
            var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let isReady = poll(&request, 1, Int32(clamping: max(0, (end - .now).milliseconds)))
            if isReady < 0, errno == EINTR { continue }
            guard isReady == 1 else { return }
            // After poll(2), a write of up to PIPE_BUF octets does not block (pipe(7)).
            let count = rest.prefix(maximumWrite).withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    private static let maximumWrite = 4_096
}

/// The standard output of a command.
enum StandardOutput {
    /// Writes the buffered output. If the reader has closed the pipe (`| head`), this process ends with SIGPIPE, which NIO
    /// ignores.
    ///
    /// - Throws: `CommandError` if the output cannot be written.
    static func flush() throws(CommandError) {
        guard fflush(nil) != 0 else { return }
        let (isClosed, error) = (errno == EPIPE, SystemError("standard output"))
        if isClosed {
            signal(SIGPIPE, SIG_DFL)
            raise(SIGPIPE)
        }
        throw CommandError(.unknown, reason: "\(error)")
    }
}

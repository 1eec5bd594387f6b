import Foundation
import Glibc

/// What a command has printed.
enum StandardOutput {
    /// Hands it on to whoever reads it. Where nobody does any more (`| head`) this process ends as by the signal, which NIO
    /// ignores.
    ///
    /// - Throws: `CommandFailure` when it cannot be written.
    static func flush() throws(CommandFailure) {
        guard fflush(nil) != 0 else { return }
        let (isUnread, failure) = (errno == EPIPE, SystemError("standard output"))
        if isUnread {
            signal(SIGPIPE, SIG_DFL)
            raise(SIGPIPE)
        }
        throw CommandFailure(.unknown, "\(failure)")
    }
}

/// What the system said, in its words.
private struct SystemError: Error, CustomStringConvertible {
    let description: String

    init(_ what: String) {
        description = "\(what): \(String(cString: strerror(errno)))"
    }
}

/// `nil`: there is none, or it cannot be reached.
private func fileStatus(_ path: String) -> stat? {
    var status = stat()
    return stat(path, &status) == 0 ? status : nil
}

/// Whether two names lead to one file that is there.
func isSameFile(_ one: String, _ other: String) -> Bool {
    guard let one = fileStatus(one), let other = fileStatus(other) else { return false }
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino
}

/// A file that is there when it is complete, or standard output.
///
/// Blocks; a broken pipe is an error and not a signal.
final class OutputFile: Sendable {
    private let descriptor: Int32
    /// Where it grows, and what it is called in the end.
    private let place: (growing: String, complete: String)?

    /// - Parameter path: `nil`: standard output.
    init(_ path: String?) throws(CommandFailure) {
        signal(SIGPIPE, SIG_IGN)
        guard let path else {
            descriptor = STDOUT_FILENO
            place = nil
            return
        }
        // A device or a pipe is written to, never replaced.
        if let status = fileStatus(path), status.st_mode & S_IFMT != S_IFREG {
            descriptor = open(path, O_WRONLY | O_CLOEXEC)
            place = nil
            guard descriptor >= 0 else { throw CommandFailure(.usage, "\(SystemError("cannot write \(path)"))") }
            return
        }
        let growing = "\(path).\(getpid())"
        descriptor = open(growing, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw CommandFailure(.usage, "\(SystemError("cannot write \(path)"))") }
        place = (growing, path)
    }

    deinit {
        if descriptor != STDOUT_FILENO { close(descriptor) }
        guard let place else { return }
        // Gone already where it is complete.
        unlink(place.growing)
    }

    func write(_ octets: [UInt8]) throws {
        var rest = octets[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw SystemError(place?.growing ?? "standard output") }
            rest = rest.dropFirst(written)
        }
    }

    func complete() throws(CommandFailure) {
        guard let place else { return }
        guard fsync(descriptor) == 0, rename(place.growing, place.complete) == 0 else {
            throw CommandFailure(.unknown, "\(SystemError(place.complete))")
        }
    }
}

/// A file, or standard input, piece by piece. Blocks.
final class InputFile {
    private let descriptor: Int32
    private let name: String
    /// Octets read at once.
    private static let pieceSize = 65_536

    /// - Parameter path: `nil`: standard input.
    init(_ path: String?) throws(CommandFailure) {
        name = path ?? "standard input"
        guard let path else {
            descriptor = STDIN_FILENO
            return
        }
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CommandFailure(.usage, "\(SystemError("cannot read \(path)"))") }
    }

    deinit {
        if descriptor != STDIN_FILENO { close(descriptor) }
    }

    /// `nil` at the end.
    func next() throws -> [UInt8]? {
        while true {
            var failed = false
            let octets = [UInt8](unsafeUninitializedCapacity: Self.pieceSize) { buffer, count in
                let got = read(descriptor, buffer.baseAddress, buffer.count)
                failed = got < 0
                count = max(0, got)
            }
            if failed, errno == EINTR { continue }
            if failed { throw SystemError(name) }
            return octets.isEmpty ? nil : octets
        }
    }
}

import Glibc

/// Writes a file that appears under its name only when it is complete, or standard output.
///
/// Concurrency: calls block.
/// Errors: a broken pipe is an error, not a signal.
final class OutputFile: Sendable {
    private let descriptor: Int32
    /// The name while the file is written, and its final name; `nil`: there is nothing to rename.
    private let paths: (temporary: String, final: String)?

    /// - Parameter path: `nil`: standard output.
    init(_ path: String?) throws(CommandError) {
        signal(SIGPIPE, SIG_IGN)
        guard let path else {
            descriptor = STDOUT_FILENO
            paths = nil
            return
        }
        // A device or a pipe is not replaced.
        if let status = fileStatus(path), status.st_mode & S_IFMT != S_IFREG {
            descriptor = open(path, O_WRONLY | O_CLOEXEC)
            paths = nil
            guard descriptor >= 0 else { throw CommandError(.usage, reason: "\(SystemError("cannot write \(path)"))") }
            return
        }
        let temporary = "\(path).\(getpid())"
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw CommandError(.usage, reason: "\(SystemError("cannot write \(path)"))") }
        paths = (temporary, path)
    }

    deinit {
        if descriptor != STDOUT_FILENO { close(descriptor) }
        // After `complete` this name does not exist.
        if let paths { unlink(paths.temporary) }
    }

    func write(_ octets: [UInt8]) throws {
        var rest = octets[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw SystemError(paths?.temporary ?? "standard output") }
            rest = rest.dropFirst(written)
        }
    }

    /// Gives the file its final name.
    func complete() throws(CommandError) {
        guard let paths else { return }
        guard fsync(descriptor) == 0, rename(paths.temporary, paths.final) == 0 else {
            throw CommandError(.unknown, reason: "\(SystemError(paths.final))")
        }
    }
}

/// An error of the system in the words of strerror(3).
struct SystemError: Error, CustomStringConvertible {
    let description: String

    /// - Parameter subject: the file or action that failed. The code is errno.
    init(_ subject: String) {
        description = "\(subject): \(String(cString: strerror(errno)))"
    }
}

/// `nil`: the file does not exist or cannot be reached.
private func fileStatus(_ path: String) -> stat? {
    var status = stat()
    return stat(path, &status) == 0 ? status : nil
}

/// Whether two paths lead to the same existing file.
func isSameFile(_ first: String, as second: String) -> Bool {
    guard let first = fileStatus(first), let second = fileStatus(second) else { return false }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
}

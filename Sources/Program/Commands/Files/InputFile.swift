import Glibc

/// Reads a file, or standard input, in pieces. Blocks.
final class InputFile {
    private let descriptor: Int32
    private let name: String
    /// The maximum octets of one piece.
    private static let pieceSize = 65_536

    /// - Parameter path: `nil`: standard input.
    init(_ path: String?) throws(CommandError) {
        name = path ?? "standard input"
        guard let path else {
            descriptor = STDIN_FILENO
            return
        }
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CommandError(.usage, reason: "\(SystemError("cannot read \(path)"))") }
    }

    deinit {
        if descriptor != STDIN_FILENO { close(descriptor) }
    }

    /// Returns the next piece; `nil` at the end.
    func next() throws -> [UInt8]? {
        while true {
            var failed = false
            let octets = [UInt8](unsafeUninitializedCapacity: Self.pieceSize) { buffer, count in
                let result = read(descriptor, buffer.baseAddress, buffer.count)
                failed = result < 0
                count = max(0, result)
            }
            if failed, errno == EINTR { continue }
            if failed { throw SystemError(name) }
            return octets.isEmpty ? nil : octets
        }
    }
}

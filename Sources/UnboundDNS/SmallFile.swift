import Glibc

/// Reading a file of the system's configuration, which is small or a mistake.
enum SmallFile {
    struct Failed: Error, Equatable {
        /// errno(3).
        let code: Int32
    }

    /// The first octets of the file: all of them, or `limit` and up to a page more.
    static func read(_ path: String, limit: Int) throws(Failed) -> [UInt8] {
        // Not blocking: a FIFO without a writer is empty, not a wait.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Failed(code: errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count < limit {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw Failed(code: errno)
            }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return bytes
    }
}

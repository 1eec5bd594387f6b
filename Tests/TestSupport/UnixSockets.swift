import Glibc

/// A unix socket's address for the duration of the call.
package func withUnixAddress<Result>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}

/// A stream socket with this name, at which nobody listens yet. Whoever asks for it closes it.
package func bindUnixSocket(at path: String) throws -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard withUnixAddress(path, { bind(descriptor, $0, $1) }) == 0 else {
        defer { close(descriptor) }
        throw NotASample(text: "\(path): \(String(cString: strerror(errno)))")
    }
    return descriptor
}

/// What a daemon leaves behind that was killed.
package func leaveDeadSocket(at path: String) throws {
    close(try bindUnixSocket(at: path))
}

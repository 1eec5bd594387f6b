import Glibc

/// The address of a unix socket in the form that connect(2), bind(2) and sendto(2) take.
///
/// Protocol: unix(7).
package struct UnixAddress: Sendable {
    /// Octets: the size of `sun_path` without its final NUL.
    package static let maximumLength = 107

    private var address = sockaddr_un()
    private let length: socklen_t

    /// - Returns: `nil` if the path is longer than `maximumLength`.
    package init?(path: String) {
        // A NUL ends a path.
        self.init(octets: path.utf8, end: 1)
    }

    /// - Parameter name: the name of an abstract socket, without the `@` that stands for its NUL.
    /// - Returns: `nil` if the name is longer than `maximumLength` with its NUL.
    package init?(abstractName name: String) {
        // The length ends an abstract name.
        self.init(octets: [0] + Array(name.utf8), end: 0)
    }

    private init?(octets: some Collection<UInt8>, end: Int) {
        guard octets.count <= Self.maximumLength else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        let head = MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: address.sun_path)
        length = socklen_t(head + octets.count + end)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
    }

    /// Calls `body` with the address and its length. `errno` is afterwards as `body` left it.
    package func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}

/// A host and a port: `127.0.0.1:9461`, `[::1]:9461`.
package struct TCPAddress: Hashable, Sendable, CustomStringConvertible {
    /// A host name or IP address without brackets.
    package let host: String
    /// 0…65535. To a server that listens, 0 means that the system chooses.
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

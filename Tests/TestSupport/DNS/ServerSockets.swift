import Glibc

/// A step of socket(7) failed.
package struct SocketError: Error, CustomStringConvertible {
    package let step: String
    package let code: Int32

    package var description: String { "\(step): \(String(cString: strerror(code)))" }
}

/// The sockets of `FaultyDNSServer`, none of which blocks.
struct ServerSockets: Sendable {
    let port: UInt16
    let datagrams: Int32
    let listener: Int32
    /// For forged datagrams: another port of the same address, and the same port of the next address.
    let otherPort: Int32
    let otherAddress: Int32

    var all: [Int32] { [datagrams, listener, otherPort, otherAddress] }

    /// Tries other ports if `port` is `nil` and a neighbour has the free one for TCP.
    init(host: String, port: UInt16?) throws {
        guard let address = Self.address(host) else { throw SocketError(step: "address \(host)", code: EINVAL) }
        var failure = SocketError(step: "bind \(host)", code: EADDRINUSE)
        for _ in 0..<(port == nil ? 50 : 1) {
            do {
                try self.init(address: address, port: port ?? 0)
                return
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private init(address: UInt32, port: UInt16) throws(SocketError) {
        var open: [Int32] = []
        do throws(SocketError) {
            let (datagrams, chosen) = try Self.bound(address, port: port, type: SOCK_DGRAM, open: &open)
            self.datagrams = datagrams
            self.port = chosen
            listener = try Self.bound(address, port: chosen, type: SOCK_STREAM, open: &open).descriptor
            otherPort = try Self.bound(address, port: 0, type: SOCK_DGRAM, open: &open).descriptor
            otherAddress = try Self.bound(address + 1, port: chosen, type: SOCK_DGRAM, open: &open).descriptor
            guard listen(listener, 1_024) == 0 else { throw SocketError(step: "listen", code: errno) }
        } catch {
            for descriptor in open { close(descriptor) }
            throw error
        }
        // So that a burst of thousands of queries is not lost for lack of buffer. Root may exceed net.core.rmem_max.
        var size: Int32 = 16 << 20
        let length = socklen_t(MemoryLayout<Int32>.size)
        if setsockopt(datagrams, SOL_SOCKET, SO_RCVBUFFORCE, &size, length) != 0 {
            setsockopt(datagrams, SOL_SOCKET, SO_RCVBUF, &size, length)
        }
    }

    /// In host order; `nil` if `text` is not an IPv4 address.
    static func address(_ text: String) -> UInt32? {
        var address = in_addr()
        return inet_pton(AF_INET, text, &address) == 1 ? UInt32(bigEndian: address.s_addr) : nil
    }

    private static func bound(
        _ address: UInt32, port: UInt16, type: __socket_type, open: inout [Int32]
    ) throws(SocketError) -> (descriptor: Int32, port: UInt16) {
        let flags = SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let descriptor = socket(AF_INET, Int32(type.rawValue | flags), 0)
        guard descriptor >= 0 else { throw SocketError(step: "socket", code: errno) }
        open.append(descriptor)
        if type == SOCK_STREAM {
            var on: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        var name = sockaddr_in(address, port: port)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard isBound else { throw SocketError(step: "bind port \(port)", code: errno) }
        return (descriptor, UInt16(bigEndian: name.sin_port))
    }
}

extension sockaddr_in {
    /// Address and port in host order.
    init(_ address: UInt32, port: UInt16) {
        self.init()
        sin_family = sa_family_t(AF_INET)
        sin_port = port.bigEndian
        sin_addr.s_addr = address.bigEndian
    }
}

/// Calls `body` with the address of a unix socket.
package func withUnixAddress<Result>(_ path: String, body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}

/// Binds a stream socket to this path. It does not listen. The caller closes it.
package func bindUnixSocket(at path: String) throws -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard withUnixAddress(path, body: { bind(descriptor, $0, $1) }) == 0 else {
        defer { close(descriptor) }
        throw InvalidSampleError(text: "\(path): \(String(cString: strerror(errno)))")
    }
    return descriptor
}

/// Creates the socket that a killed daemon leaves.
package func leaveDeadSocket(at path: String) throws {
    close(try bindUnixSocket(at: path))
}

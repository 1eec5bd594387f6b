import Discovery
import Glibc

/// A socket of the transport: a thin layer over socket(2) that reports errno.
///
/// Concurrency: Thread-safe, like file descriptors. The `TransportLoop` owns each socket.
struct DNSSocket {
    /// A system call that failed.
    struct SystemCallError: Error, Equatable {
        let call: String
        /// errno(3).
        let code: Int32

        init(_ call: String) {
            self.call = call
            code = errno
        }

        var reason: String { "\(call): \(String(cString: strerror(code)))" }

        /// Whether the process or the system has no file descriptor left.
        var isOutOfDescriptors: Bool { code == EMFILE || code == ENFILE }
    }

    let descriptor: Int32

    /// The range of random UDP ports, above most registered services.
    static let portRange: ClosedRange<UInt16> = 16_384...65_535
    private static let portAttempts = 8

    func close() { Glibc.close(descriptor) }

    // MARK: Creation

    /// Opens a UDP socket that is connected to the server, on an unpredictable port (RFC 5452 §9.2).
    ///
    /// A connected socket receives from the server's address and port only, and reports ICMP errors.
    static func datagram(to server: NameServer) throws(SystemCallError) -> DNSSocket {
        let socket = try make(for: server, type: SOCK_DGRAM)
        do throws(SystemCallError) {
            socket.bindToRandomPort(isIPv6: server.address.isIPv6)
            try socket.connect(to: server)
        } catch {
            socket.close()
            throw error
        }
        return socket
    }

    /// Opens a TCP socket and starts its connection to the server.
    static func stream(to server: NameServer) throws(SystemCallError) -> DNSSocket {
        let socket = try make(for: server, type: SOCK_STREAM)
        do throws(SystemCallError) {
            try socket.connect(to: server)
        } catch {
            guard error.code == EINPROGRESS else {
                socket.close()
                throw error
            }
        }
        return socket
    }

    /// Opens a UDP socket on a free port of 127.0.0.1, with a large receive buffer.
    static func loopbackListener() throws(SystemCallError) -> (socket: DNSSocket, port: UInt16) {
        guard let loopback = NameServer.loopback else { throw SystemCallError("inet_pton") }
        let socket = try make(for: loopback, type: SOCK_DGRAM)
        // The kernel reduces it to net.core.rmem_max.
        var size: Int32 = 4 << 20
        setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        var name = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let (descriptor, isBound) = (
            socket.descriptor,
            withSocketAddress(of: loopback, port: 0) { Glibc.bind(socket.descriptor, $0, $1) == 0 }
        )
        let isNamed = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) == 0 }
        }
        guard isBound, isNamed else {
            let error = SystemCallError("bind 127.0.0.1")
            socket.close()
            throw error
        }
        // sin_port follows the family.
        let port = withUnsafeBytes(of: &name) { UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)) }
        return (socket, port)
    }

    private static func make(for server: NameServer, type: __socket_type) throws(SystemCallError) -> DNSSocket {
        let flags = Int32(type.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(server.address.isIPv6 ? AF_INET6 : AF_INET, flags, 0)
        guard descriptor >= 0 else { throw SystemCallError("socket") }
        return DNSSocket(descriptor: descriptor)
    }

    /// If all attempts fail, the kernel chooses a random port out of a smaller range.
    private func bindToRandomPort(isIPv6: Bool) {
        guard let any = NameServer.wildcard(isIPv6: isIPv6) else { return }
        for _ in 0..<Self.portAttempts {
            let port = UInt16.random(in: Self.portRange)
            let code = withSocketAddress(of: any, port: port) { Glibc.bind(descriptor, $0, $1) == 0 ? 0 : errno }
            if code != EADDRINUSE { return }
        }
    }

    private func connect(to server: NameServer) throws(SystemCallError) {
        let result = withSocketAddress(of: server, port: server.port) { Glibc.connect(descriptor, $0, $1) }
        guard result == 0 else { throw SystemCallError("connect to \(server)") }
    }

    // MARK: Input and output

    func send(_ octets: some Collection<UInt8>) throws(SystemCallError) -> Int {
        let count = octets.withContiguousStorageIfAvailable {
            Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard let count else { return try send(Array(octets)) }
        guard count >= 0 else { throw SystemCallError("send") }
        return count
    }

    /// Receives up to the size of the buffer. Returns `nil` if there is no data, and 0 at the end of a stream.
    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(SystemCallError) -> Int? {
        let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
        if count >= 0 { return count }
        if errno == EAGAIN || errno == EINTR { return nil }
        throw SystemCallError("recv")
    }

    /// Receives from an unconnected socket, with the address of the sender.
    func receive(into buffer: UnsafeMutableRawBufferPointer, from peer: inout sockaddr_in) -> Int? {
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, buffer.baseAddress, buffer.count, 0, $0, &length)
            }
        }
        return count >= 0 ? count : nil
    }

    /// Returns whether the kernel accepted the datagram.
    func send(_ octets: [UInt8], to peer: sockaddr_in) -> Bool {
        var peer = peer
        return withUnsafePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(
                    descriptor, octets, octets.count, Int32(MSG_NOSIGNAL), $0,
                    socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        } == octets.count
    }
}

extension NameServer {
    fileprivate static let loopback = IPAddress(octets: [127, 0, 0, 1]).map { NameServer(address: $0) }

    fileprivate static func wildcard(isIPv6: Bool) -> NameServer? {
        IPAddress(octets: [UInt8](repeating: 0, count: isIPv6 ? 16 : 4)).map { NameServer(address: $0) }
    }
}

/// Calls `body` with a sockaddr_in(6) of the server's address and this port.
private func withSocketAddress<Result>(
    of server: NameServer, port: UInt16, body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
    var storage = sockaddr_storage()
    var length = MemoryLayout<sockaddr_in>.size
    withUnsafeMutableBytes(of: &storage) { bytes in
        if server.address.isIPv6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            // Look up the interface for each socket, because it may be new.
            if let scope = server.scope { address.sin6_scope_id = UInt32(scope) ?? if_nametoindex(scope) }
            withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: server.address.octets) }
            length = MemoryLayout<sockaddr_in6>.size
            bytes.storeBytes(of: address, as: sockaddr_in6.self)
        } else {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: server.address.octets) }
            bytes.storeBytes(of: address, as: sockaddr_in.self)
        }
    }
    return withUnsafePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
    }
}

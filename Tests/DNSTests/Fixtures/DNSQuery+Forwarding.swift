import Glibc
import TestSupport

extension DNSQuery {
    /// The response of the server on 127.0.0.1, asked over the transport that the query came over; `nil` if there is none.
    func forwarded(to port: UInt16) -> [UInt8]? { exchange(bytes, overTCP: overTCP, port: port) }
}

/// Asks a real server what a stub was asked, so that a stub may stand between, count, and do harm.
extension StubServer.Query {
    /// The server's response by the way the query came; `nil` where it gives none.
    func forwarded(to port: UInt16) -> [UInt8]? { exchange(bytes, overTCP: overTCP, port: port) }

    /// The same asked without EDNS, hence without DO: what an old proxy makes of a query.
    func forwardedWithoutEDNS(to port: UInt16) -> [UInt8]? {
        var end = 12
        while bytes[end] != 0 { end += 1 + Int(bytes[end]) }
        var plain = Array(bytes[..<(end + 5)])
        plain.replaceSubrange(10..<12, with: [0, 0])
        return exchange(plain, overTCP: overTCP, port: port)
    }
}

extension StubServer {
    /// A forwarder to a server on 127.0.0.1; `harm` may change or swallow what it says.
    static func forwarder(
        to port: UInt16, harm: @escaping @Sendable (Query, [UInt8]) -> [UInt8]? = { _, response in response }
    ) throws -> StubServer {
        try StubServer { query in
            query.forwarded(to: port).flatMap { harm(query, $0) }.map { .answer($0) } ?? .noAnswer
        }
    }

    /// A forwarder that knows nothing of DNSSEC.
    static func strippingForwarder(to port: UInt16) throws -> StubServer {
        try StubServer { query in query.forwardedWithoutEDNS(to: port).map { .answer($0) } ?? .noAnswer }
    }

    /// Name and type of what was asked so far, in order.
    var asked: [String] { queries.map { "\($0.name.isEmpty ? "." : $0.name) \($0.type)" } }
}

private func exchange(_ query: [UInt8], overTCP: Bool, port: UInt16) -> [UInt8]? {
    let type = overTCP ? LoopbackSocket.stream : LoopbackSocket.datagram
    guard let socket = try? LoopbackSocket("127.0.0.1", port: 0, type: type) else { return nil }
    defer { socket.close() }
    // Only so that a lost datagram does not hold the stub up for ever.
    var limit = timeval(tv_sec: 5, tv_usec: 0)
    setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let connected = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard connected == 0 else { return nil }
    let framed = overTCP ? [UInt8(query.count >> 8), UInt8(query.count & 0xff)] + query : query
    guard send(socket.descriptor, framed, framed.count, Int32(MSG_NOSIGNAL)) == framed.count else { return nil }
    if overTCP {
        guard let length = receive(socket.descriptor, exactly: 2) else { return nil }
        return receive(socket.descriptor, exactly: Int(length[0]) << 8 | Int(length[1]))
    }
    var response = [UInt8](repeating: 0, count: 65_535)
    let count = recv(socket.descriptor, &response, response.count, 0)
    return count > 0 ? Array(response[..<count]) : nil
}

private func receive(_ descriptor: Int32, exactly count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    return recv(descriptor, &bytes, count, Int32(MSG_WAITALL)) == count ? bytes : nil
}

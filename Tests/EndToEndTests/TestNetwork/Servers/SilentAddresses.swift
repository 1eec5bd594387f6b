import Foundation

/// Addresses that accept traffic and never answer.
final class SilentAddresses: Sendable {
    /// TCP port 443: the kernel accepts connections, and then nothing happens.
    static let mute = "127.0.2.66"
    /// TCP port 443: the TCP handshake does not finish, as behind a firewall that drops packets.
    static let dropping = "127.0.2.67"
    /// UDP and TCP port 53: queries get no answer.
    static let resolver = "127.0.0.66"
    /// An address without a listener: connections are refused at once.
    static let closed = "127.0.0.67"

    private let descriptors: [Int32]

    init() throws {
        var opened: [Int32] = []
        func listen(_ address: String, port: UInt16, backlog: Int32) throws {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            opened.append(descriptor)
            guard TCPConnection.withAddress(address, port: port, perform: { bind(descriptor, $0, $1) }) == 0,
                Glibc.listen(descriptor, backlog) == 0
            else { throw TestNetworkError("cannot listen on \(address):\(port): \(String(cString: strerror(errno)))") }
        }
        try listen(Self.mute, port: 443, backlog: 64)
        try listen(Self.resolver, port: 53, backlog: 64)
        try listen(Self.dropping, port: 443, backlog: 0)
        // A backlog of zero holds one connection. When it is full, Linux drops every further SYN.
        for _ in 0..<3 {
            let filler = socket(
                AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            opened.append(filler)
            _ = TCPConnection.withAddress(Self.dropping, port: 443) { connect(filler, $0, $1) }
        }
        let datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        opened.append(datagrams)
        guard TCPConnection.withAddress(Self.resolver, port: 53, perform: { bind(datagrams, $0, $1) }) == 0 else {
            throw TestNetworkError("cannot bind \(Self.resolver):53: \(String(cString: strerror(errno)))")
        }
        descriptors = opened
    }

    func close() {
        descriptors.forEach { Glibc.close($0) }
    }
}

import Foundation

/// Addresses where somebody seems to be and nobody ever answers.
final class Silence: Sendable {
    /// TCP port 443: connections are accepted by the kernel and then nothing is said.
    static let mute = "127.0.2.66"
    /// TCP port 443: not even the handshake of TCP ends, as with a firewall that drops.
    static let dropping = "127.0.2.67"
    /// UDP and TCP port 53: queries vanish.
    static let resolver = "127.0.0.66"
    /// Not even silence: nobody listens on any port.
    static let nobody = "127.0.0.67"

    private let descriptors: [Int32]

    init() throws {
        var open: [Int32] = []
        func listen(_ address: String, port: UInt16, backlog: Int32) throws {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            open.append(descriptor)
            guard TCPConnection.withAddress(address, port, { bind(descriptor, $0, $1) }) == 0,
                Glibc.listen(descriptor, backlog) == 0
            else { throw LabFailure("cannot listen on \(address):\(port): \(String(cString: strerror(errno)))") }
        }
        try listen(Self.mute, port: 443, backlog: 64)
        try listen(Self.resolver, port: 53, backlog: 64)
        try listen(Self.dropping, port: 443, backlog: 0)
        // A backlog of zero holds one connection; once it is taken, Linux drops every further SYN.
        for _ in 0..<3 {
            let filler = socket(
                AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            open.append(filler)
            _ = TCPConnection.withAddress(Self.dropping, 443) { connect(filler, $0, $1) }
        }
        let datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        open.append(datagrams)
        guard TCPConnection.withAddress(Self.resolver, 53, { bind(datagrams, $0, $1) }) == 0 else {
            throw LabFailure("cannot bind \(Self.resolver):53: \(String(cString: strerror(errno)))")
        }
        descriptors = open
    }

    func end() {
        descriptors.forEach { close($0) }
    }
}

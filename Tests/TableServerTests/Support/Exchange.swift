import TableServer
import MTASTS
import NIOCore
import PostfixTable
import TestSupport

/// A request and its reply.
struct Exchange: Sendable {
    let request: [UInt8]
    let reply: [UInt8]

    /// - Parameters:
    ///   - mapName: the socketmap name; tcp_table has none.
    ///   - dialect: the dialect of the reply.
    init(_ key: String, reply: TableReply, over table: TableProtocol, mapName: String, dialect: Dialect) {
        var buffer = ByteBuffer()
        switch table {
        case .socketmap:
            request = Array("\(mapName.utf8.count + 1 + key.utf8.count):\(mapName) \(key),".utf8)
            SocketmapReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
        case .tcpTable:
            request = Array("get \(key)\n".utf8)
            TCPTableReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
        }
        self.reply = Array(buffer.readableBytesView)
    }

    /// A malformed request and its error reply. The connection ends after it.
    init(malformedOver table: TableProtocol) {
        switch table {
        case .socketmap:
            request = Array("3:abc,".utf8)
            reply = Array("59:PERM malformed request: the map's name, a space and the key,".utf8)
        case .tcpTable:
            request = Array("put\n".utf8)
            reply = Array("400 malformed%20request:%20get,%20a%20space%20and%20the%20key\n".utf8)
        }
    }
}

/// A domain whose enforced policy makes a reply of a chosen length.
struct SizedDomain: Sendable {
    let name: String
    let policy: String
    let reply: TableReply
    private let hosts: [String]

    /// - Parameter octets: length of the whole socketmap reply in dialect `sts`, 1,000…100,008.
    init(_ name: String, octets: Int) throws {
        // The reply repeats an mx line three times: 20 kB of lines make some 65 kB.
        let label = String(repeating: "x", count: 60)
        let hosts = (0..<octets / 900).map { "m\(1_000 + $0).\(label).\(label).\(label).\(name)" }
        let unpadded = try Self(name, hosts: ["mx.\(name)"] + hosts, padding: "")
        let padding = octets - unpadded.length
        guard padding >= 0 else { throw InvalidSampleError(text: "\(name): \(unpadded.length) octets, not \(octets)") }
        // The netstring's length field grows with the payload.
        for padding in [padding, padding - 1, padding - 2] where padding >= 0 {
            let padded = try Self(name, hosts: unpadded.hosts, padding: String(repeating: "y", count: padding))
            guard padded.length == octets else { continue }
            self = padded
            return
        }
        throw InvalidSampleError(text: "\(name): no reply of \(octets) octets")
    }

    private init(_ name: String, hosts: [String], padding: String) throws {
        let policy = policyText(mx: hosts) + "\nx-padding: y\(padding)"
        let parsed = try STSPolicy(Array(policy.utf8))
        guard let match = SecureMatch(domain: try domain(name), policy: parsed) else {
            throw InvalidSampleError(text: policy)
        }
        self.name = name
        self.policy = policy
        self.hosts = hosts
        reply = .entry(.secure(match))
    }

    private var length: Int {
        var buffer = ByteBuffer()
        SocketmapReplyEncoder.encode(reply, dialect: .sts, into: &buffer)
        return buffer.readableBytes
    }
}

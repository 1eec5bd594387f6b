import MTASTS
import NIOCore
import PostfixTable
import Testing
import TestSupport

/// Encodes replies, and checks each with the grammar of the Postfix versions that its dialect is for.
enum CheckedReply {
    static func socketmap(
        _ reply: TableReply, in dialect: Dialect = .classic, sourceLocation: SourceLocation = #_sourceLocation
    ) -> String {
        var buffer = ByteBuffer()
        SocketmapReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
        let octets = Array(buffer.readableBytesView)
        for generation in dialect.generations {
            let violations = TableReplyGrammar(generation).violations(ofSocketmap: octets)
            #expect(violations == [], "\(generation) \(dialect)", sourceLocation: sourceLocation)
        }
        return String(decoding: octets, as: UTF8.self)
    }

    static func tcpTable(
        _ reply: TableReply, in dialect: Dialect = .classic, sourceLocation: SourceLocation = #_sourceLocation
    ) -> String {
        var buffer = ByteBuffer()
        TCPTableReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
        let octets = Array(buffer.readableBytesView)
        for generation in dialect.generations {
            let violations = TableReplyGrammar(generation).violations(ofTCPTable: octets)
            #expect(violations == [], "\(generation) \(dialect)", sourceLocation: sourceLocation)
        }
        return String(decoding: octets, as: UTF8.self)
    }

    /// The attributes of the entry, as the newest Postfix reads it; `nil` if the reply is not an entry.
    static func entry(
        _ reply: TableReply, in dialect: Dialect, sourceLocation: SourceLocation = #_sourceLocation
    ) -> TLSPolicyEntryGrammar.Entry? {
        let octets = Array(socketmap(reply, in: dialect, sourceLocation: sourceLocation).utf8)
        guard case .success(.entry(let entry)) = TableReplyGrammar.socketmap(octets) else { return nil }
        return TLSPolicyEntryGrammar(.postfix3_12).entry(entry)
    }
}

extension Dialect {
    /// The versions that must accept the dialect. A later version accepts everything that an earlier one does.
    var generations: [TLSPolicyEntryGrammar.Generation] {
        let first: TLSPolicyEntryGrammar.Generation =
            switch self {
            case .legacy: .postfix3_3
            case .classic: .postfix3_7
            case .sts: .postfix3_10
            }
        return TLSPolicyEntryGrammar.Generation.allCases.filter { $0 >= first }
    }
}

extension TableReply {
    /// `secure` for `example.com` with these patterns.
    static func sample(mx: [String]) throws -> TableReply {
        try secure(policyText(mx: mx))
    }

    /// `secure` for `example.com` from a policy with this text.
    static func secure(_ text: String) throws -> TableReply {
        try secure(policy: text, text: Array(text.utf8))
    }

    /// `secure` for `example.com` from a policy, with other octets as its text.
    static func secure(policy: String, text: [UInt8]) throws -> TableReply {
        let parsed = try STSPolicy(Array(policy.utf8))
        guard let match = SecureMatch(domain: try domain("example.com"), policy: parsed, text: text) else {
            throw InvalidSampleError(text: policy)
        }
        return .entry(.secure(match))
    }

    /// All replies that are one bare word, with the word.
    static let bare: [(word: String, reply: TableReply)] = [
        ("dane", .entry(.dane)), ("dane-only", .entry(.daneOnly)), ("may", .entry(.may)),
        ("encrypt", .entry(.encrypt)), ("none", .entry(.cleartext)),
    ]
}

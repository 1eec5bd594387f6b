import MTASTS
import NIOCore
import PostfixTable
import Testing
import TestSupport

/// Replies as the encoders write them. Every one that a test makes goes past the grammar of each Postfix that its
/// dialect is for.
enum CheckedReply {
    static func socketmap(
        _ reply: TableReply, _ dialect: Dialect = .classic, sourceLocation: SourceLocation = #_sourceLocation
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
        _ reply: TableReply, _ dialect: Dialect = .classic, sourceLocation: SourceLocation = #_sourceLocation
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

    /// What stands in the entry, as the newest Postfix reads it; `nil` when the reply is none.
    static func entry(
        _ reply: TableReply, _ dialect: Dialect, sourceLocation: SourceLocation = #_sourceLocation
    ) -> TLSPolicyEntryGrammar.Entry? {
        let octets = Array(socketmap(reply, dialect, sourceLocation: sourceLocation).utf8)
        guard case .success(.entry(let entry)) = TableReplyGrammar.socketmap(octets) else { return nil }
        return TLSPolicyEntryGrammar(.postfix3_12).entry(entry)
    }
}

extension Dialect {
    /// The versions that must take its words. A later one takes what an earlier one does.
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

    /// `secure` for `example.com` by a policy of this text.
    static func secure(_ text: String) throws -> TableReply {
        try secure(policy: text, text: Array(text.utf8))
    }

    /// `secure` for `example.com` by a policy, with other octets as its text.
    static func secure(policy: String, text: [UInt8]) throws -> TableReply {
        let parsed = try STSPolicy(Array(policy.utf8))
        guard let match = SecureMatch(domain: try domain("example.com"), policy: parsed, text: text) else {
            throw NotASample(text: policy)
        }
        return .entry(.secure(match))
    }

    /// All replies that are one bare word, by the word.
    static let bare: [(word: String, reply: TableReply)] = [
        ("dane", .entry(.dane)), ("dane-only", .entry(.daneOnly)), ("may", .entry(.may)),
        ("encrypt", .entry(.encrypt)), ("none", .entry(.cleartext)),
    ]
}

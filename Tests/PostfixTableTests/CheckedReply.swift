import MTASTS
import NIOCore
import Testing
import TestSupport

@testable import PostfixTable

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

extension SecureMatch {
    /// The match of a policy with other octets as its published text.
    init(domain: PolicyDomain, policy: STSPolicy, published text: [UInt8]) {
        self.init(
            domain: domain, patterns: policy.hostPatterns,
            strings: PolicyStrings(text: text, mode: policy.mode, maxAge: policy.maxAge))
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
        let policy = try STSPolicy(Array(text.utf8))
        guard let match = SecureMatch(domain: try domain("example.com"), policy: policy) else {
            throw InvalidSampleError(text: text)
        }
        return .entry(.secure(match))
    }

    /// `secure` for `example.com` from a policy, with other octets as its published text.
    static func secure(policy: String, text: [UInt8]) throws -> TableReply {
        let parsed = try STSPolicy(Array(policy.utf8))
        return .entry(.secure(SecureMatch(domain: try domain("example.com"), policy: parsed, published: text)))
    }

    /// All replies that are one bare word, with the word.
    static let bare: [(word: String, reply: TableReply)] = [
        ("dane", .entry(.dane)), ("dane-only", .entry(.daneOnly)), ("may", .entry(.may)),
        ("encrypt", .entry(.encrypt)), ("none", .entry(.cleartext)),
    ]
}

import Discovery
import MTASTS
import PolicyCaching
import PolicyRuntime
import PostfixTable
import TestSupport
import Testing

@testable import TableServer

/// Replies that are sent again without rendering them.
@Suite(.timeLimit(.minutes(5))) struct ReadyRepliesTests {
    private static let key = Array("example.com".utf8)
    private static let classic = ReplyForm(table: .socketmap, dialect: .classic)

    /// A hit of a running service.
    private func withHit(_ test: @Sendable @escaping (PolicyService.Hit) throws -> Void) async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            try await channel.send("13:x example.com,")
            _ = try await channel.nextWrite()
            let destination = Destination(domain: try domain("example.com"))
            try test(try #require(fixture.service.hit(destination)?.hit))
        }
    }

    private func reply(
        _ hit: PolicyService.Hit, key: [UInt8] = key, form: ReplyForm = classic, octets: [UInt8] = [1]
    ) -> ReadyReply {
        ReadyReply(to: key, in: form, hit: hit, rule: .enforce, kind: .secure, octets: octets)
    }

    @Test func `a reply is found by its key, protocol and dialect, and by no others`() async throws {
        try await withHit { hit in
            var replies = ReadyReplies()
            replies.store(reply(hit))
            #expect(replies.reply(to: Self.key, in: Self.classic)?.octets == [1])
            #expect(replies.reply(to: Array("Example.com".utf8), in: Self.classic) == nil)
            #expect(replies.reply(to: Self.key, in: ReplyForm(table: .tcpTable, dialect: .classic)) == nil)
            #expect(replies.reply(to: Self.key, in: ReplyForm(table: .socketmap, dialect: .sts)) == nil)
            replies.store(reply(hit, octets: [2]))
            #expect(replies.reply(to: Self.key, in: Self.classic)?.octets == [2])
        }
    }

    @Test func `long replies and replies to keys with a port are not stored`() async throws {
        try await withHit { hit in
            var replies = ReadyReplies()
            replies.store(reply(hit, octets: Array(repeating: 0, count: 1_025)))
            #expect(replies.reply(to: Self.key, in: Self.classic) == nil)
            let withPort = Array("example.com:submission".utf8)
            replies.store(reply(hit, key: withPort))
            #expect(replies.reply(to: withPort, in: Self.classic) == nil)
        }
    }

    @Test func `any number of keys needs the same memory, and each found reply is that of its key`() async throws {
        try await withHit { hit in
            var replies = ReadyReplies()
            let keys = (0..<100_000).map { Array("n\($0).example".utf8) }
            for key in keys { replies.store(reply(hit, key: key, octets: key)) }
            let found = keys.compactMap { key in replies.reply(to: key, in: Self.classic).map { (key, $0.octets) } }
            #expect((20_000...32_768).contains(found.count))
            #expect(found.allSatisfy { $0 == $1 })
        }
    }

    @Test func `a repeated lookup gets the same octets and is counted, and an override changes the reply at once`()
        async throws
    {
        let fixture = TableFixture()
        fixture.publish("example.com")
        let secure = "50:OK secure match=mx.example.com servername=hostname,"
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            try await channel.send("13:x example.com,")
            #expect(try await channel.nextWrite() == secure)
            for _ in 1...3 {
                try await channel.send("13:x example.com,13:x example.com,")
                #expect(try await channel.written() == secure + secure)
            }
            let counter = try fixture.metrics.expectCounter(
                "sts_bridge_lookups_total", [("table", "socketmap"), ("rule", "enforce"), ("reply", "secure")])
            #expect(counter.totalValue == 7)
            let explanation = await fixture.service.explain(Destination(domain: try domain("example.com")))
            let now = try #require(explanation.lookups.first).at
            _ = try await fixture.service.set(testOverride(.exempt(mayEncrypt: false), of: "example.com", since: now))
            try await channel.send("13:x example.com,")
            #expect(try await channel.written() == "9:NOTFOUND ,")
        }
    }
}

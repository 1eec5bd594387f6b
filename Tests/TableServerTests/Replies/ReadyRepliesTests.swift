import Discovery
import MTASTS
import NIOCore
import NIOEmbedded
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

    /// The octets of the reply that is found.
    private func found(_ key: [UInt8], in form: ReplyForm = classic, of replies: ReadyReplies) -> [UInt8]? {
        key.withUnsafeBytes { replies.reply(to: $0, in: form) }.map { reply in
            var output = ByteBuffer()
            reply.write(to: &output)
            return Array(output.readableBytesView)
        }
    }

    @Test func `a reply is found by its key, protocol and dialect, and by no others`() async throws {
        try await withHit { hit in
            var replies = ReadyReplies()
            replies.store(reply(hit))
            #expect(found(Self.key, of: replies) == [1])
            #expect(found(Array("Example.com".utf8), of: replies) == nil)
            #expect(found(Self.key + [1], of: replies) == nil)
            #expect(found(Self.key, in: ReplyForm(table: .tcpTable, dialect: .classic), of: replies) == nil)
            #expect(found(Self.key, in: ReplyForm(table: .socketmap, dialect: .sts), of: replies) == nil)
            replies.store(reply(hit, octets: [2]))
            #expect(found(Self.key, of: replies) == [2])
        }
    }

    @Test func `replies to keys with a port are not stored`() async throws {
        try await withHit { hit in
            var replies = ReadyReplies()
            let withPort = Array("example.com:submission".utf8)
            replies.store(reply(hit, key: withPort))
            #expect(found(withPort, of: replies) == nil)
        }
    }

    @Test func `replies have a limited number of octets together`() async throws {
        try await withHit { hit in
            var replies = ReadyReplies()
            let keys = (0..<400).map { Array("n\($0).example".utf8) }
            let long = [UInt8](repeating: 1, count: 100_000)
            for key in keys {
                replies.store(reply(hit, key: key, octets: long))
                replies.store(reply(hit, key: key, octets: long))
                #expect(found(key, of: replies) == long)
            }
            let count = keys.count { found($0, of: replies) != nil }
            // The 167th fits once, not twice: when it is stored again, all others are removed. And so again.
            #expect(count == 400 - 2 * 166)
            replies.store(reply(hit, key: keys[0], octets: [UInt8](repeating: 1, count: 16_777_216)))
            #expect(found(keys[0], of: replies) == nil)
        }
    }

    @Test func `any number of keys needs the same memory, and each found reply is that of its key`() async throws {
        try await withHit { hit in
            var replies = ReadyReplies()
            let keys = (0..<100_000).map { Array("n\($0).example".utf8) }
            for key in keys { replies.store(reply(hit, key: key, octets: key)) }
            let results = keys.compactMap { key in found(key, of: replies).map { (key, $0) } }
            #expect((20_000...32_768).contains(results.count))
            #expect(results.allSatisfy { $0 == $1 })
        }
    }

    private static let secure = "50:OK secure match=mx.example.com servername=hostname,"
    private static let notFound = "9:NOTFOUND ,"

    /// A connection to which the reply to `example.com` is ready, and that has asked nothing itself.
    private func connectWithReadyReply(_ fixture: TableFixture) async throws -> NIOAsyncTestingChannel {
        fixture.publish("example.com")
        let shared = ConnectionContext(
            LookupSettings(), logger: fixture.log.logger(level: .info), metrics: fixture.metrics)
        let other = try await fixture.connect(.socketmap, shared: shared)
        try await other.send("13:x example.com,")
        #expect(try await other.nextWrite() == Self.secure)
        try await other.send("13:x example.com,")
        #expect(try await other.written() == Self.secure)
        return try await fixture.connect(.socketmap, shared: shared)
    }

    @Test(arguments: [
        ("13:x example.com,13:x Example.com,", secure + secure),
        ("13:x example.com,11:x localhost,13:x example.com,", secure + notFound + secure),
        ("13:x example.com,13:x exa", secure),
    ])
    func `the rest of a read is answered after the ready replies`(_ input: String, replies: String) async throws {
        let fixture = TableFixture(logLevel: .info)
        try await fixture.run {
            let channel = try await connectWithReadyReply(fixture)
            try await channel.send(input)
            #expect(try await channel.written() == replies)
        }
    }

    @Test func `another dialect gets another reply`() async throws {
        let fixture = TableFixture(logLevel: .info)
        try await fixture.run {
            let channel = try await connectWithReadyReply(fixture)
            try await channel.send("13:x example.com,15:sts example.com,13:x example.com,")
            let written = try await channel.written()
            #expect(written.hasPrefix(Self.secure) && written.hasSuffix(Self.secure))
            #expect(written.dropFirst(Self.secure.count).dropLast(Self.secure.count).contains("policy_type=sts"))
        }
    }

    @Test(arguments: ["13:xexample.com!,", "13:x example.com;", "99999:", "x"])
    func `after a ready reply a malformed request ends the connection`(_ malformed: String) async throws {
        let fixture = TableFixture(logLevel: .info)
        try await fixture.run {
            let channel = try await connectWithReadyReply(fixture)
            try await channel.send("13:x example.com," + malformed + "13:x example.com,")
            let written = try await channel.written()
            #expect(written.hasPrefix(Self.secure) && written.dropFirst(Self.secure.count).contains(":PERM "))
            #expect(written.dropFirst().firstRange(of: Self.secure) == nil)
        }
    }

    @Test func `tcp_table keys with %XX or 8-bit octets get no ready reply`() async throws {
        let fixture = TableFixture(logLevel: .info)
        fixture.publish("xn--mnchen-3ya.example")
        try await fixture.run {
            let shared = ConnectionContext(LookupSettings(), logger: fixture.log.logger(level: .info))
            let channel = try await fixture.connect(.tcpTable, shared: shared)
            try await channel.send("get m%C3%BCnchen.example\n")
            let secure = try await channel.nextWrite()
            #expect(secure.hasPrefix("200 secure"))
            for _ in 1...3 {
                try await channel.send("get m%C3%BCnchen.example\n")
                #expect(try await channel.written() == secure)
            }
            try await channel.send("get m\u{fc}nchen.example\n")
            #expect(try await channel.written().hasPrefix("400"))
        }
    }

    @Test func `one write of ready replies is bounded, and all requests of a read are answered`() async throws {
        let fixture = TableFixture(logLevel: .info)
        fixture.publish("a.example", policy: policyText(mx: (0..<100).map { "mx\($0).a-long-name.example" }))
        try await fixture.run {
            let shared = ConnectionContext(LookupSettings(), logger: fixture.log.logger(level: .info))
            let channel = try await fixture.connect(.socketmap, shared: shared)
            try await channel.send("11:x a.example,")
            let reply = try await channel.nextWrite()
            try await channel.send("11:x a.example,")
            #expect(try await channel.written() == reply)
            #expect(reply.utf8.count > 2_000)
            try await channel.send(String(repeating: "11:x a.example,", count: 1_000))
            let writes = try await channel.writes()
            #expect(writes.allSatisfy { $0.utf8.count < 65_536 + reply.utf8.count } && writes.count > 10)
            #expect(writes.joined() == String(repeating: reply, count: 1_000))
        }
    }

    @Test func `a repeated lookup gets the same octets and is counted, and an override changes the reply at once`()
        async throws
    {
        let fixture = TableFixture(logLevel: .info)
        fixture.publish("example.com")
        let secure = Self.secure
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

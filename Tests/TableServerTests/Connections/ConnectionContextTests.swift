import TableServer
import NIOEmbedded
import PolicyCaching
import PostfixTable
import Testing
import TestSupport

/// Messages that are logged once, and settings that change during a connection.
@Suite(.timeLimit(.minutes(5))) struct ConnectionContextTests {
    private static let oldDialect =
        "Postfix 3.10 or later uses an old map name; use :sts in smtp_tls_policy_maps"
    private static let truncated = "policy too long for one reply, sent without TLSRPT attributes"
    private static let tooLong = "policy is longer than Postfix takes, mail is deferred"

    @Test func `a map name for an older Postfix is logged once, not per lookup or connection`()
        async throws
    {
        let fixture = TableFixture()
        let logger = fixture.log.logger()
        let settings = LookupSettings(dialect: .sts, understood: .sts)
        let context = ConnectionContext(settings, logger: logger)
        for _ in 1...3 {
            let channel = try await fixture.connect(.socketmap, shared: context)
            for name in ["sts", "postfix", "legacy", "other"] {
                try await channel.send("\(name.utf8.count + 2):\(name) k,")
            }
        }
        #expect(fixture.log.messages.count { $0 == Self.oldDialect } == 1)
        let metadata = fixture.log.entries.first { $0.message == Self.oldDialect }?.facts
        #expect(metadata == ["requested": "classic", "understood": "sts"])
        // Postfix may be another version after a reload.
        context.update(settings: settings)
        let channel = try await fixture.connect(.socketmap, shared: context)
        try await channel.send("9:classic k,")
        #expect(fixture.log.messages.count { $0 == Self.oldDialect } == 2)
    }

    @Test(arguments: [Dialect.classic, nil])
    func `map names are not logged if Postfix has no newer dialect or is unknown`(understood: Dialect?)
        async throws
    {
        let fixture = TableFixture()
        let channel = try await fixture.connect(
            .socketmap, settings: LookupSettings(dialect: .classic, understood: understood))
        try await channel.send("9:postfix k,")
        #expect(try await channel.written() == "9:NOTFOUND ,")
        #expect(!fixture.log.messages.contains(Self.oldDialect))
    }

    @Test func `a policy that is too long for Postfix is logged once per domain`() async throws {
        let fixture = TableFixture()
        // Dialect sts repeats each name three times, and Postfix takes 4,095 octets of tcp_table.
        fixture.publish("long.example", policy: policyText(mx: (0..<150).map { "mx\($0).long.example" }))
        fixture.publish("longer.example", policy: policyText(mx: (0..<400).map { "mx\($0).longer.example" }))
        try await fixture.run {
            let channel = try await fixture.connect(.tcpTable, settings: LookupSettings(dialect: .sts))
            for name in ["long.example", "longer.example"] {
                for _ in 1...3 {
                    try await channel.send("get \(name)\n")
                    _ = try await channel.nextWrite()
                }
            }
        }
        let lines = fixture.log.entries.filter { [Self.truncated, Self.tooLong].contains($0.message) }
        #expect(lines.map(\.message) == [Self.truncated, Self.tooLong])
        #expect(lines.map(\.level) == [.notice, .warning])
        #expect(lines.map { $0.facts["domain"] } == ["long.example", "longer.example"])
        #expect(lines.allSatisfy { $0.facts["protocol"] == "tcp_table" && $0.facts["origin"] == "lookup" })
    }

    @Test func `an open connection uses new settings from its next request on`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        let context = ConnectionContext(LookupSettings(dialect: .classic), logger: fixture.log.logger())
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap, shared: context)
            try await channel.send("15:any example.com,")
            #expect(try await channel.nextWrite() == "50:OK secure match=mx.example.com servername=hostname,")
            context.update(settings: LookupSettings(dialect: .legacy))
            try await channel.send("15:any example.com,")
            #expect(try await channel.written() == "30:OK secure match=mx.example.com,")
        }
    }

    @Test func `each message about a lookup has its domain and its origin`() async throws {
        let fixture = TableFixture(decisions: DecisionSettings(onUnknown: .defer))
        fixture.resolver.script("_mta-sts.example.com", type: .txt, reply: .failure(.responseCode(2)))
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            try await channel.send("19:postfix EXAMPLE.com,")
            _ = try await channel.nextWrite()
        }
        for message in ["lookup", "mail deferred by temporary answer"] {
            let metadata = fixture.log.entries.first { $0.message == message }?.facts
            #expect(metadata?["domain"] == "example.com")
            #expect(metadata?["key"] == "EXAMPLE.com")
            #expect(metadata?["origin"] == "lookup")
        }
    }
}

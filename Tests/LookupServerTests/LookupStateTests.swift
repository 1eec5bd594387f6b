import LookupServer
import NIOEmbedded
import PolicyService
import PostfixTable
import Testing
import TestSupport

/// What the log is told of once, and settings that change under a connection.
@Suite(.timeLimit(.minutes(5))) struct LookupStateTests {
    private static let waste =
        "Postfix asks for fewer words than it understands: write sts for the map's name in main.cf"
    private static let cut = "policy is long, said without the words for TLS reports and exact mx names"
    private static let tooLong = "policy is longer than Postfix takes, mail is deferred"

    @Test func `a Postfix that asks for fewer words than it knows is told of once, not per lookup or connection`()
        async throws
    {
        let lab = HandlerLab()
        let logger = lab.log.logger()
        let settings = LookupSettings(dialect: .sts, understood: .sts)
        let state = LookupState(settings, logger: logger)
        for _ in 1...3 {
            let channel = try await lab.connect(.socketmap, state: state)
            for name in ["sts", "postfix", "legacy", "other"] {
                try await channel.send("\(name.utf8.count + 2):\(name) k,")
            }
        }
        #expect(lab.log.messages.count { $0 == Self.waste } == 1)
        let facts = lab.log.entries.first { $0.message == Self.waste }?.facts
        #expect(facts == ["asked": "classic", "understood": "sts"])
        // A reload may find another Postfix.
        state.use(settings)
        let channel = try await lab.connect(.socketmap, state: state)
        try await channel.send("9:classic k,")
        #expect(lab.log.messages.count { $0 == Self.waste } == 2)
    }

    @Test(arguments: [Dialect.classic, nil])
    func `nothing is said of map names where Postfix knows no more words, or nobody knows`(understood: Dialect?)
        async throws
    {
        let lab = HandlerLab()
        let channel = try await lab.connect(
            .socketmap, settings: LookupSettings(dialect: .classic, understood: understood))
        try await channel.send("9:postfix k,")
        #expect(try await channel.written() == "9:NOTFOUND ,")
        #expect(!lab.log.messages.contains(Self.waste))
    }

    @Test func `a policy that loses words, or all of them, for its length is told of once a domain`() async throws {
        let lab = HandlerLab()
        // In dialect sts each name is said three times, and Postfix takes 4,095 octets of tcp_table.
        lab.publish("long.example", policy: policyText(mx: (0..<150).map { "mx\($0).long.example" }))
        lab.publish("longer.example", policy: policyText(mx: (0..<400).map { "mx\($0).longer.example" }))
        try await lab.run {
            let channel = try await lab.connect(.tcpTable, settings: LookupSettings(dialect: .sts))
            for name in ["long.example", "longer.example"] {
                for _ in 1...3 {
                    try await channel.send("get \(name)\n")
                    _ = try await channel.nextWrite()
                }
            }
        }
        let lines = lab.log.entries.filter { [Self.cut, Self.tooLong].contains($0.message) }
        #expect(lines.map(\.message) == [Self.cut, Self.tooLong])
        #expect(lines.map(\.level) == [.notice, .warning])
        #expect(lines.map { $0.facts["domain"] } == ["long.example", "longer.example"])
        #expect(lines.allSatisfy { $0.facts["protocol"] == "tcp_table" && $0.facts["origin"] == "lookup" })
    }

    @Test func `a connection that stands serves by new settings from its next request on`() async throws {
        let lab = HandlerLab()
        lab.publish("example.com")
        let state = LookupState(LookupSettings(dialect: .classic), logger: lab.log.logger())
        try await lab.run {
            let channel = try await lab.connect(.socketmap, state: state)
            try await channel.send("15:any example.com,")
            #expect(try await channel.nextWrite() == "50:OK secure match=mx.example.com servername=hostname,")
            state.use(LookupSettings(dialect: .legacy))
            try await channel.send("15:any example.com,")
            #expect(try await channel.written() == "30:OK secure match=mx.example.com,")
        }
    }

    @Test func `each line about a lookup has its domain and its origin`() async throws {
        let lab = HandlerLab(decisions: DecisionSettings(onUnknown: .defer))
        lab.resolver.script("_mta-sts.example.com", .txt, .failure(.responseCode(2)))
        try await lab.run {
            let channel = try await lab.connect(.socketmap)
            try await channel.send("19:postfix EXAMPLE.com,")
            _ = try await channel.nextWrite()
        }
        for message in ["lookup", "mail deferred by temporary answer"] {
            let facts = lab.log.entries.first { $0.message == message }?.facts
            #expect(facts?["domain"] == "example.com")
            #expect(facts?["key"] == "EXAMPLE.com")
            #expect(facts?["origin"] == "lookup")
        }
    }
}

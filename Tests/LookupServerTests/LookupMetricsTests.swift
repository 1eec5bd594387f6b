import Discovery
import MTASTS
import MetricsTestKit
import NIOCore
import NIOEmbedded
import PolicyService
import PostfixTable
import TestSupport
import Testing

@testable import LookupServer

/// What is counted of replies, of mail held and of connections.
@Suite(.timeLimit(.minutes(5))) struct LookupMetricsTests {
    @Test func `each reply is counted by table, rule and word, and its time is measured`() async throws {
        let lab = HandlerLab()
        lab.publish("example.com")
        try await lab.run {
            let channel = try await lab.connect(.socketmap)
            try await channel.send("13:x example.com,")
            _ = try await channel.nextWrite()
            for request in ["13:x EXAMPLE.com,", "14:x .example.com,", "2:x ,"] { try await channel.send(request) }
            let table = try await lab.connect(.tcpTable)
            try await table.send("get example.com\n")
            try await table.send("get absent.example\n")
            _ = try await table.nextWrite()
            _ = try await table.nextWrite()
        }
        #expect(
            lab.lookups == [
                "socketmap enforce secure": 2, "socketmap no-policy-domain not-found": 2,
                "tcp_table enforce secure": 1, "tcp_table no-policy not-found": 1,
            ])
        #expect(try lab.metrics.expectTimer("sts_bridge_lookup_duration_seconds").values.count == 6)
        #expect(lab.held == [:])
    }

    @Test func `the time of a reply that was waited for is the wait's`() async throws {
        let lab = HandlerLab()
        lab.publish("example.com")
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        try await lab.run {
            let channel = try await lab.connect(.socketmap)
            let start = NIODeadline.now()
            try await channel.send("13:x example.com,")
            await gate.arrivals()
            let least = NIODeadline.now() - start
            #expect(lab.lookups == [:])
            gate.open()
            _ = try await channel.nextWrite()
            let most = NIODeadline.now() - start
            let measured = try lab.metrics.expectTimer("sts_bridge_lookup_duration_seconds").values
            #expect(measured.count == 1)
            // The request is taken after `start`, so a little of `least` may be missing.
            #expect(measured.allSatisfy { (least.nanoseconds / 2...most.nanoseconds).contains($0) })
        }
    }

    @Test func `mail held is counted by the class of its reason, each of them from the start`() async throws {
        let lab = HandlerLab(decisions: DecisionSettings(onUnknown: .defer))
        lab.resolver.script("_mta-sts.dns.example", .txt, .failure(.responseCode(2)))
        lab.publish("fetch.example")
        lab.fetcher.script("mta-sts.fetch.example", .failure(.http(.status(500))))
        lab.publish("slot.example")
        lab.fetcher.script("mta-sts.slot.example", .failure(.noSlot(.queueFull)))
        lab.publish("certificate.example")
        lab.fetcher.script("mta-sts.certificate.example", .failure(.certificate(.expired)))
        lab.publish("invalid.example", policy: "nonsense")
        lab.publish("no-mx.example", policy: policyText(mx: ["localhost"]))
        try await lab.run {
            let channel = try await lab.connect(.socketmap)
            #expect(lab.metrics.counters(label: "sts_bridge_temporary_replies_total").count == 11)
            for name in ["dns", "fetch", "slot", "certificate", "invalid", "no-mx"] {
                let key = "x \(name).example"
                try await channel.send("\(key.utf8.count):\(key),")
                #expect(try await channel.nextWrite().contains(":TEMP "))
            }
            try await channel.send("nonsense")
            #expect(try await channel.nextWrite().contains(":PERM "))
        }
        #expect(
            lab.held == [
                "record": 1, "policy-fetch": 1, "policy-certificate": 1, "policy-invalid": 1, "no-usable-mx": 1,
                "malformed-request": 1, "local": 1,
            ])
        #expect(
            lab.lookups == [
                "socketmap unknown temporary": 5, "socketmap enforce temporary": 1,
                "socketmap malformed-request refused": 1,
            ])
    }

    @Test func `a reply that Postfix would not take is counted as the temporary one that it becomes`() async throws {
        let lab = HandlerLab()
        lab.publish("example.com", policy: policyText(mx: (0..<300).map { "mx\($0).example.com" }))
        try await lab.run {
            let channel = try await lab.connect(.tcpTable)
            try await channel.send("get example.com\n")
            #expect(try await channel.nextWrite().hasPrefix("400 "))
        }
        #expect(lab.held == ["too-long": 1])
        #expect(lab.lookups == ["tcp_table enforce temporary": 1])
    }

    @Test(arguments: [
        (Decision.Action.deferred(.policy(.unfinished)), HoldingCause.unfinished), (.deferred(.dane("x")), .dane),
        (.deferred(.pinWithoutNames), .pin), (.secureByNames([]), .pin),
    ])
    func `the other causes, too, follow from the decision`(action: Decision.Action, cause: HoldingCause) {
        let decision = Decision(rule: .pin, action: action)
        #expect(HoldingCause(decision, as: .temporary(Reason("x"))) == cause)
        #expect(HoldingCause(decision, as: .notFound) == nil)
    }

    @Test func `no two outcomes share a counter`() {
        let metrics = TestMetrics()
        let lookups = LookupMetrics(metrics)
        var outcomes = 0
        for table in [TableProtocol.socketmap, .tcpTable] {
            for rule in Decision.Rule.allCases.map(Optional.some) + [nil] {
                for word in ReplyWord.allCases where rule != nil || word == .refused {
                    lookups.count(table, rule: rule, word, cause: nil, nanoseconds: 1)
                    outcomes += 1
                }
            }
        }
        let counters = metrics.counters(label: "sts_bridge_lookups_total")
        #expect(counters.count == outcomes)
        #expect(counters.allSatisfy { $0.totalValue == 1 })
    }

    @Test func `connections are counted while they are open, and those that are turned away`() async throws {
        let lab = HandlerLab()
        try await lab.serve(settings: LookupSettings(maximumConnections: 2)) { ports in
            try await TableClient.with(port: ports[0]) { oldest in
                _ = try await oldest.ask("2:x ,", until: ",")
                try await TableClient.with(port: ports[0]) { second in
                    _ = try await second.ask("2:x ,", until: ",")
                    #expect(lab.connections == 2)
                    try await TableClient.with(port: ports[0]) { third in
                        _ = try await third.ask("2:x ,", until: ",")
                        _ = try await oldest.receive(until: ",")
                        #expect(lab.connections == 2)
                    }
                }
            }
        }
        #expect(lab.connections == 0)
        #expect(try lab.metrics.expectMeter("sts_bridge_connections_limit").lastValue == 2)
        let turnedAway = "sts_bridge_connections_turned_away_total"
        #expect(try lab.metrics.expectCounter(turnedAway, [("how", "replaced")]).totalValue == 1)
        #expect(try lab.metrics.expectCounter(turnedAway, [("how", "refused")]).totalValue == 0)
    }

    @Test func `where all are busy a connection is refused and counted`() async throws {
        let lab = HandlerLab()
        lab.publish("example.com")
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        try await lab.serve(settings: LookupSettings(maximumConnections: 1)) { ports in
            try await TableClient.with(port: ports[0]) { busy in
                try await busy.outbound.write(ByteBuffer(string: "19:postfix example.com,"))
                await gate.arrivals()
                _ = try await TableClient.with(port: ports[0]) { try await $0.receive(until: ",") }
                gate.open()
                _ = try await busy.receive(until: ",")
            }
        }
        let turnedAway = "sts_bridge_connections_turned_away_total"
        #expect(try lab.metrics.expectCounter(turnedAway, [("how", "refused")]).totalValue == 1)
        #expect(lab.connections == 0)
    }
}

extension HandlerLab {
    /// "table rule reply" of every reply.
    fileprivate var lookups: [String: Int64] {
        let counters = metrics.counters(label: "sts_bridge_lookups_total").map { counter in
            let labels = Dictionary(counter.dimensions) { first, _ in first }
            let words = ["table", "rule", "reply"].map { labels[$0] ?? "?" }
            return (words.joined(separator: " "), counter.totalValue)
        }
        return Dictionary(counters) { $0 + $1 }
    }

    /// Replies that hold mail, by reason, where there was one.
    fileprivate var held: [String: Int64] {
        let counters = metrics.counters(label: "sts_bridge_temporary_replies_total").filter { $0.totalValue > 0 }
        return Dictionary(counters.map { ($0.dimensions.first?.1 ?? "?", $0.totalValue) }) { $0 + $1 }
    }

    fileprivate var connections: Double? { (try? metrics.expectMeter("sts_bridge_connections"))?.lastValue }
}

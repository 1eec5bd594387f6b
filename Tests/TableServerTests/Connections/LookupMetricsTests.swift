import Discovery
import MTASTS
import MetricsTestKit
import NIOCore
import NIOEmbedded
import PolicyCaching
import PostfixTable
import TestSupport
import Testing

@testable import TableServer

/// The metrics of replies, deferred mail and connections.
@Suite(.timeLimit(.minutes(5))) struct LookupMetricsTests {
    @Test func `each reply is counted by table, rule and kind, and its time is measured`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            try await channel.send("13:x example.com,")
            _ = try await channel.nextWrite()
            for request in ["13:x EXAMPLE.com,", "14:x .example.com,", "2:x ,"] { try await channel.send(request) }
            let table = try await fixture.connect(.tcpTable)
            try await table.send("get example.com\n")
            try await table.send("get absent.example\n")
            _ = try await table.nextWrite()
            _ = try await table.nextWrite()
        }
        #expect(
            fixture.lookups == [
                "socketmap enforce secure": 2, "socketmap no-policy-domain not-found": 2,
                "tcp_table enforce secure": 1, "tcp_table no-policy not-found": 1,
            ])
        #expect(try fixture.metrics.expectTimer("sts_bridge_lookup_duration_seconds").values.count == 6)
        #expect(fixture.deferred == [:])
    }

    @Test func `the measured time includes the wait for a discovery`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            let start = NIODeadline.now()
            try await channel.send("13:x example.com,")
            await gate.arrivals()
            let least = NIODeadline.now() - start
            #expect(fixture.lookups == [:])
            gate.open()
            _ = try await channel.nextWrite()
            let most = NIODeadline.now() - start
            let measured = try fixture.metrics.expectTimer("sts_bridge_lookup_duration_seconds").values
            #expect(measured.count == 1)
            // The request is taken after `start`, so a little of `least` may be missing.
            #expect(measured.allSatisfy { (least.nanoseconds / 2...most.nanoseconds).contains($0) })
        }
    }

    @Test func `deferred mail is counted by the class of its reason, each class from the start`() async throws {
        let fixture = TableFixture(decisions: DecisionSettings(onUnknown: .defer))
        fixture.resolver.script("_mta-sts.dns.example", type: .txt, reply: .failure(.responseCode(2)))
        fixture.publish("fetch.example")
        fixture.fetcher.script("mta-sts.fetch.example", reply: .failure(.http(.status(500))))
        fixture.publish("slot.example")
        fixture.fetcher.script("mta-sts.slot.example", reply: .failure(.noSlot(.queueFull)))
        fixture.publish("certificate.example")
        fixture.fetcher.script("mta-sts.certificate.example", reply: .failure(.certificate(.expired)))
        fixture.publish("invalid.example", policy: "nonsense")
        fixture.publish("no-mx.example", policy: policyText(mx: ["localhost"]))
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            #expect(fixture.metrics.counters(label: "sts_bridge_temporary_replies_total").count == 11)
            for name in ["dns", "fetch", "slot", "certificate", "invalid", "no-mx"] {
                let key = "x \(name).example"
                try await channel.send("\(key.utf8.count):\(key),")
                #expect(try await channel.nextWrite().contains(":TEMP "))
            }
            try await channel.send("nonsense")
            #expect(try await channel.nextWrite().contains(":PERM "))
        }
        #expect(
            fixture.deferred == [
                "record": 1, "policy-fetch": 1, "policy-certificate": 1, "policy-invalid": 1, "no-usable-mx": 1,
                "malformed-request": 1, "local": 1,
            ])
        #expect(
            fixture.lookups == [
                "socketmap unknown temporary": 5, "socketmap enforce temporary": 1,
                "socketmap malformed-request refused": 1,
            ])
    }

    @Test func `a reply that is too long is counted as the temporary error that replaces it`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com", policy: policyText(mx: (0..<300).map { "mx\($0).example.com" }))
        try await fixture.run {
            let channel = try await fixture.connect(.tcpTable)
            try await channel.send("get example.com\n")
            #expect(try await channel.nextWrite().hasPrefix("400 "))
        }
        #expect(fixture.deferred == ["too-long": 1])
        #expect(fixture.lookups == ["tcp_table enforce temporary": 1])
    }

    @Test(arguments: [
        (Decision.Action.deferred(.policy(.unfinished)), DeferralReason.unfinished), (.deferred(.dane("x")), .dane),
        (.deferred(.pinWithoutNames), .pin), (.secureByNames([]), .pin),
    ])
    func `the other reasons follow from the decision, too`(action: Decision.Action, reason: DeferralReason) {
        let decision = Decision(rule: .pin, action: action)
        #expect(DeferralReason(decision, as: .temporary(TemporaryReason("x"))) == reason)
        #expect(DeferralReason(decision, as: .notFound) == nil)
    }

    @Test func `no two results share a counter`() {
        let metrics = TestMetrics()
        let lookups = LookupMetrics(metrics)
        var results = 0
        for table in [TableProtocol.socketmap, .tcpTable] {
            for rule in Decision.Rule.allCases.map(Optional.some) + [nil] {
                for kind in ReplyKind.allCases where rule != nil || kind == .refused {
                    lookups.count(kind, table: table, rule: rule, deferral: nil, nanoseconds: 1)
                    results += 1
                }
            }
        }
        let counters = metrics.counters(label: "sts_bridge_lookups_total")
        #expect(counters.count == results)
        #expect(counters.allSatisfy { $0.totalValue == 1 })
    }

    @Test func `open connections are counted, and connections over the limit`() async throws {
        let fixture = TableFixture()
        try await fixture.serve(settings: LookupSettings(maximumConnections: 2)) { ports in
            try await TableClient.with(port: ports[0]) { oldest in
                _ = try await oldest.ask("2:x ,", until: ",")
                try await TableClient.with(port: ports[0]) { second in
                    _ = try await second.ask("2:x ,", until: ",")
                    #expect(fixture.connections == 2)
                    try await TableClient.with(port: ports[0]) { third in
                        _ = try await third.ask("2:x ,", until: ",")
                        _ = try await oldest.receive(until: ",")
                        #expect(fixture.connections == 2)
                    }
                }
            }
        }
        #expect(fixture.connections == 0)
        #expect(try fixture.metrics.expectMeter("sts_bridge_connections_limit").lastValue == 2)
        let overLimit = "sts_bridge_connections_over_limit_total"
        #expect(try fixture.metrics.expectCounter(overLimit, [("action", "replaced")]).totalValue == 1)
        #expect(try fixture.metrics.expectCounter(overLimit, [("action", "refused")]).totalValue == 0)
    }

    @Test func `if all connections are busy, a new one is refused and counted`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.serve(settings: LookupSettings(maximumConnections: 1)) { ports in
            try await TableClient.with(port: ports[0]) { busy in
                try await busy.outbound.write(ByteBuffer(string: "19:postfix example.com,"))
                await gate.arrivals()
                _ = try await TableClient.with(port: ports[0]) { try await $0.receive(until: ",") }
                gate.open()
                _ = try await busy.receive(until: ",")
            }
        }
        let overLimit = "sts_bridge_connections_over_limit_total"
        #expect(try fixture.metrics.expectCounter(overLimit, [("action", "refused")]).totalValue == 1)
        #expect(fixture.connections == 0)
    }
}

extension TableFixture {
    /// "table rule reply" of every reply.
    fileprivate var lookups: [String: Int64] {
        let counters = metrics.counters(label: "sts_bridge_lookups_total").map { counter in
            let labels = Dictionary(counter.dimensions) { first, _ in first }
            let words = ["table", "rule", "reply"].map { labels[$0] ?? "?" }
            return (words.joined(separator: " "), counter.totalValue)
        }
        return Dictionary(counters) { $0 + $1 }
    }

    /// Replies that defer mail, by reason, without the reasons that did not occur.
    fileprivate var deferred: [String: Int64] {
        let counters = metrics.counters(label: "sts_bridge_temporary_replies_total").filter { $0.totalValue > 0 }
        return Dictionary(counters.map { ($0.dimensions.first?.1 ?? "?", $0.totalValue) }) { $0 + $1 }
    }

    fileprivate var connections: Double? { (try? metrics.expectMeter("sts_bridge_connections"))?.lastValue }
}

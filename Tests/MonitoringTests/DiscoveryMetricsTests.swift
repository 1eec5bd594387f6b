import DANE
import Discovery
import MTASTS
import TestSupport
import Testing

@testable import Monitoring

/// The metrics of real discoveries over scripted DNS and HTTPS.
@Suite struct DiscoveryMetricsTests {
    private let registry = PrometheusRegistry(MetricTable.all)
    private let resolver = ScriptedResolver()
    private let validating = ScriptedValidatingResolver()
    private let fetcher = ScriptedFetcher()

    private var discovery: PolicyDiscovery {
        PolicyDiscovery(
            resolver: resolver, fetcher: fetcher, onEvent: DiscoveryMetrics(factory: registry).count)
    }

    private func publishHost() {
        resolver.script("mta-sts.example.com", type: .a, reply: .success(.records([[192, 88, 98, 1]])))
    }

    @Test(arguments: [
        (["v=STSv1; id=1;"], "published"), ([], "none"), (["v=spf1 -all"], "none"),
        (["v=STSv1; id=1;", "v=STSv1; id=2;"], "several"), (["v=STSv1; id=;"], "invalid"),
    ])
    func `a record lookup is counted by its result`(texts: [String], result: String) async throws {
        if !texts.isEmpty { resolver.script(text: texts, at: "_mta-sts.example.com") }
        _ = await discovery.record(of: try domain("example.com"))
        #expect(
            registry.nonZero("sts_bridge_record_lookups_total") == [
                #"sts_bridge_record_lookups_total{result="\#(result)"} 1"#
            ])
    }

    @Test func `a failed query is not counted as a missing record, a cancelled one not at all`() async throws {
        resolver.script("_mta-sts.example.com", type: .txt, reply: .failure(.responseCode(2)))
        _ = await discovery.record(of: try domain("example.com"))
        resolver.script("_mta-sts.example.com", type: .txt, reply: .failure(.cancelled))
        _ = await discovery.record(of: try domain("example.com"))
        #expect(
            registry.nonZero("sts_bridge_record_lookups_total") == [
                #"sts_bridge_record_lookups_total{result="failed"} 1"#
            ])
    }

    @Test func `a fetch is counted as success or by its result type, and measured`() async throws {
        publishHost()
        let failures: [FetchError] = [.certificate(.expired), .http(.status(404)), .transport(.unreachable("x"))]
        for failure in failures {
            fetcher.script("mta-sts.example.com", reply: .failure(failure))
            _ = await discovery.policy(of: try domain("example.com"))
        }
        for text in [policyText(), "nonsense"] {
            fetcher.script("mta-sts.example.com", reply: .success(text))
            _ = await discovery.policy(of: try domain("example.com"))
        }
        #expect(
            registry.nonZero("sts_bridge_policy_fetches_total") == [
                #"sts_bridge_policy_fetches_total{result="sts-policy-fetch-error"} 2"#,
                #"sts_bridge_policy_fetches_total{result="sts-policy-invalid"} 1"#,
                #"sts_bridge_policy_fetches_total{result="sts-webpki-invalid"} 1"#,
                #"sts_bridge_policy_fetches_total{result="success"} 1"#,
            ])
        #expect(registry.value("sts_bridge_policy_fetch_duration_seconds_count") == "5")
    }

    @Test func `an error of this host is counted as local, and a fetch without a slot apart`()
        async throws
    {
        publishHost()
        let shortages: [SlotShortage] = [
            .noFreeSlot(within: .seconds(30)), .queueFull, .interrupted(within: .seconds(30)),
        ]
        for failure in shortages.map(FetchError.noSlot) + [.transport(.local("no descriptor"))] {
            fetcher.script("mta-sts.example.com", reply: .failure(failure))
            _ = await discovery.policy(of: try domain("example.com"))
        }
        #expect(
            registry.nonZero("sts_bridge_policy_fetches_total") == [
                #"sts_bridge_policy_fetches_total{result="local"} 2"#
            ])
        #expect(
            registry.nonZero("sts_bridge_policy_fetches_not_started_total") == [
                #"sts_bridge_policy_fetches_not_started_total{reason="no-slot"} 1"#,
                #"sts_bridge_policy_fetches_not_started_total{reason="queue-full"} 1"#,
            ])
        #expect(registry.value("sts_bridge_policy_fetch_duration_seconds_count") == "2")
    }

    @Test func `fetches in flight and waiting are counted for all fetchers together`() {
        let metrics = FetchMetrics(factory: registry)
        #expect(registry.value("sts_bridge_policy_fetches_waiting") == "0")
        metrics.add(FetchLoadChange(inFlight: 3, waiting: 5))
        FetchMetrics(factory: registry).add(FetchLoadChange(inFlight: 1, waiting: 0))
        metrics.add(FetchLoadChange(inFlight: -2, waiting: -5))
        #expect(registry.value("sts_bridge_policy_fetches_in_flight") == "2")
        #expect(registry.value("sts_bridge_policy_fetches_waiting") == "0")
    }

    @Test func `without an address nothing is fetched: counted, not measured`() async throws {
        _ = await discovery.policy(of: try domain("example.com"))
        resolver.script("mta-sts.example.com", type: .a, reply: .success(.records([[127, 0, 0, 1]])))
        _ = await discovery.policy(of: try domain("example.com"))
        #expect(registry.value(#"sts_bridge_policy_fetches_total{result="sts-policy-fetch-error"}"#) == "2")
        #expect(registry.value("sts_bridge_policy_fetch_duration_seconds_count") == "0")
    }

    @Test func `a cancelled fetch is not counted`() async throws {
        publishHost()
        fetcher.script("mta-sts.example.com", reply: .failure(.cancelled))
        _ = await discovery.policy(of: try domain("example.com"))
        resolver.script("mta-sts.other.example", type: .a, reply: .failure(.cancelled))
        resolver.script("mta-sts.other.example", type: .aaaa, reply: .failure(.cancelled))
        _ = await discovery.policy(of: try domain("other.example"))
        #expect(registry.nonZero("sts_bridge_policy_fetches_total") == [])
        #expect(registry.value("sts_bridge_policy_fetch_duration_seconds_count") == "0")
    }

    @Test func `DANE is counted by its coverage`() async throws {
        let dane = DANEDiscovery(resolver: validating, onEvent: DiscoveryMetrics(factory: registry).count)
        _ = await dane.report(on: Destination(domain: try domain("example.com")))
        validating.script("signed.example", type: .mx, reply: .secure(.noData))
        validating.script("signed.example", type: .a, reply: .secure(.records([[192, 0, 2, 1]])))
        validating.script("signed.example", type: .aaaa, reply: .secure(.noData))
        let usable = [3, 1, 1] + [UInt8](repeating: 7, count: 32)
        validating.script("_25._tcp.signed.example", type: .tlsa, reply: .secure(.records([usable])))
        _ = await dane.report(on: Destination(domain: try domain("signed.example")))
        validating.script("stopped.example", type: .mx, reply: .failure(.cancelled))
        _ = await dane.report(on: Destination(domain: try domain("stopped.example")))
        #expect(
            registry.nonZero("sts_bridge_dane_discoveries_total") == [
                #"sts_bridge_dane_discoveries_total{coverage="complete"} 1"#,
                #"sts_bridge_dane_discoveries_total{coverage="none"} 1"#,
            ])
    }
}

import DANE
import Discovery
import MTASTS
import TestSupport
import Testing

@testable import Monitoring

/// Real discoveries over scripted DNS and HTTPS, and what is counted of them.
@Suite struct DiscoveryMetricsTests {
    private let registry = PrometheusRegistry(MetricTable.all)
    private let resolver = ScriptedResolver()
    private let validating = ScriptedValidatingResolver()
    private let fetcher = ScriptedFetcher()

    private var discovery: PolicyDiscovery {
        PolicyDiscovery(
            resolver: resolver, fetcher: fetcher, onEnding: DiscoveryMetrics(factory: registry).count)
    }

    private func publishHost() {
        resolver.script("mta-sts.example.com", .a, .success(.records([[192, 88, 98, 1]])))
    }

    @Test(arguments: [
        (["v=STSv1; id=1;"], "published"), ([], "none"), (["v=spf1 -all"], "none"),
        (["v=STSv1; id=1;", "v=STSv1; id=2;"], "several"), (["v=STSv1; id=;"], "invalid"),
    ])
    func `a record is counted by what was found`(texts: [String], finding: String) async throws {
        if !texts.isEmpty { resolver.script(text: texts, at: "_mta-sts.example.com") }
        _ = await discovery.record(of: try domain("example.com"))
        #expect(
            registry.nonZero("sts_bridge_record_lookups_total") == [
                #"sts_bridge_record_lookups_total{finding="\#(finding)"} 1"#
            ])
    }

    @Test func `a failed question is no missing record, a cancelled one is nothing`() async throws {
        resolver.script("_mta-sts.example.com", .txt, .failure(.responseCode(2)))
        _ = await discovery.record(of: try domain("example.com"))
        resolver.script("_mta-sts.example.com", .txt, .failure(.cancelled))
        _ = await discovery.record(of: try domain("example.com"))
        #expect(
            registry.nonZero("sts_bridge_record_lookups_total") == [
                #"sts_bridge_record_lookups_total{finding="failed"} 1"#
            ])
    }

    @Test func `a fetch is counted as success or by its result type, and measured`() async throws {
        publishHost()
        let failures: [FetchFailure] = [.certificate(.expired), .http(.status(404)), .transport(.unreachable("x"))]
        for failure in failures {
            fetcher.script("mta-sts.example.com", .failure(failure))
            _ = await discovery.policy(of: try domain("example.com"))
        }
        for text in [policyText(), "nonsense"] {
            fetcher.script("mta-sts.example.com", .success(text))
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

    @Test func `a failure of this host is no result of the domain, and one that was not dialled is counted apart`()
        async throws
    {
        publishHost()
        let shortages: [SlotShortage] = [
            .notDialled(within: .seconds(30)), .queueFull, .interrupted(within: .seconds(30)),
        ]
        for failure in shortages.map(FetchFailure.noSlot) + [.transport(.local("no descriptor"))] {
            fetcher.script("mta-sts.example.com", .failure(failure))
            _ = await discovery.policy(of: try domain("example.com"))
        }
        #expect(
            registry.nonZero("sts_bridge_policy_fetches_total") == [
                #"sts_bridge_policy_fetches_total{result="local"} 2"#
            ])
        #expect(
            registry.nonZero("sts_bridge_policy_fetches_not_dialled_total") == [
                #"sts_bridge_policy_fetches_not_dialled_total{reason="no-slot"} 1"#,
                #"sts_bridge_policy_fetches_not_dialled_total{reason="queue-full"} 1"#,
            ])
        #expect(registry.value("sts_bridge_policy_fetch_duration_seconds_count") == "2")
    }

    @Test func `fetches in flight and waiting are those of all fetchers`() {
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
        resolver.script("mta-sts.example.com", .a, .success(.records([[127, 0, 0, 1]])))
        _ = await discovery.policy(of: try domain("example.com"))
        #expect(registry.value(#"sts_bridge_policy_fetches_total{result="sts-policy-fetch-error"}"#) == "2")
        #expect(registry.value("sts_bridge_policy_fetch_duration_seconds_count") == "0")
    }

    @Test func `a cancelled fetch is nothing`() async throws {
        publishHost()
        fetcher.script("mta-sts.example.com", .failure(.cancelled))
        _ = await discovery.policy(of: try domain("example.com"))
        resolver.script("mta-sts.other.example", .a, .failure(.cancelled))
        resolver.script("mta-sts.other.example", .aaaa, .failure(.cancelled))
        _ = await discovery.policy(of: try domain("other.example"))
        #expect(registry.nonZero("sts_bridge_policy_fetches_total") == [])
        #expect(registry.value("sts_bridge_policy_fetch_duration_seconds_count") == "0")
    }

    @Test func `DANE is counted by its coverage`() async throws {
        let dane = DANEDiscovery(resolver: validating, onEnding: DiscoveryMetrics(factory: registry).count)
        _ = await dane.report(on: DANEDestination(domain: try domain("example.com")))
        validating.script("signed.example", .mx, .secure(.noData))
        validating.script("signed.example", .a, .secure(.records([[192, 0, 2, 1]])))
        validating.script("signed.example", .aaaa, .secure(.noData))
        let usable = [3, 1, 1] + [UInt8](repeating: 7, count: 32)
        validating.script("_25._tcp.signed.example", .tlsa, .secure(.records([usable])))
        _ = await dane.report(on: DANEDestination(domain: try domain("signed.example")))
        validating.script("stopped.example", .mx, .failure(.cancelled))
        _ = await dane.report(on: DANEDestination(domain: try domain("stopped.example")))
        #expect(
            registry.nonZero("sts_bridge_dane_discoveries_total") == [
                #"sts_bridge_dane_discoveries_total{coverage="complete"} 1"#,
                #"sts_bridge_dane_discoveries_total{coverage="none"} 1"#,
            ])
    }
}

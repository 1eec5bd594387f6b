import Metrics
import PolicyCaching
import PolicyRuntime
import TextFormats

/// Publishes the state of the cache, of the overrides and of DANE. It runs at each request for `/metrics`, so it adds no
/// work to lookups.
struct CacheMetrics: Sendable {
    private let domains: [EntryState: Meter]
    private let failing: Meter
    private let soonestExpiry: Meter
    private let soonestFailingExpiry: Meter
    private let oldestFetch: Meter
    private let refreshesDue: Meter
    private let flights: Meter
    private let unwritten: Meter
    private let exempted: Meter
    private let pinned: Meter
    private let soonestOverrideExpiry: Meter
    private let observing: Meter
    private let dane: Meter

    init(_ factory: any MetricsFactory) {
        func meter(_ name: String, labels: [(String, String)] = []) -> Meter {
            Meter(label: "sts_bridge_\(name)", dimensions: labels, factory: factory)
        }
        let states = EntryState.allCases.map { ($0, meter("cached_domains", labels: [("state", $0.rawValue)])) }
        domains = Dictionary(states) { first, _ in first }
        failing = meter("failing_domains")
        soonestExpiry = meter("policy_soonest_expiry_seconds")
        soonestFailingExpiry = meter("policy_soonest_failing_expiry_seconds")
        oldestFetch = meter("policy_oldest_fetch_seconds")
        refreshesDue = meter("refreshes_due")
        flights = meter("discoveries_in_flight")
        unwritten = meter("store_unwritten_changes")
        exempted = meter("overrides", labels: [("kind", "exempt")])
        pinned = meter("overrides", labels: [("kind", "pin")])
        soonestOverrideExpiry = meter("override_soonest_expiry_seconds")
        observing = meter("observe_mode")
        dane = meter("dane_enabled")
    }

    func gather(from policies: PolicyService) async {
        let statistics = await policies.statistics()
        for (state, meter) in domains { meter.set(statistics.counts[state] ?? 0) }
        failing.set(statistics.failing)
        soonestExpiry.set(seconds(statistics.soonestExpiry.map { $0.time - statistics.at }))
        soonestFailingExpiry.set(seconds(statistics.soonestFailingExpiry.map { $0.time - statistics.at }))
        oldestFetch.set(seconds(statistics.oldestFetch.map { statistics.at - $0.time }))
        refreshesDue.set(statistics.refreshesDue)
        flights.set(statistics.flights)
        unwritten.set(statistics.unwritten)
        exempted.set(statistics.exempted)
        pinned.set(statistics.pinned)
        let expiries = policies.overrides().compactMap(\.until)
        soonestOverrideExpiry.set(seconds(expiries.min().map { $0 - WallTime.current }))
        observing.set(policies.isObserving ? 1 : 0)
        dane.set(policies.isUsingDANE ? 1 : 0)
    }

    /// Without a duration the value is NaN. Comparisons with it are false, so it fires no alert.
    private func seconds(_ duration: Duration?) -> Double {
        duration.map { $0 / .seconds(1) } ?? .nan
    }
}

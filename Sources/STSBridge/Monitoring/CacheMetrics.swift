import Metrics
import PolicyService

/// What `/metrics` tells of the cache, of the operator's orders and of DANE: gathered when somebody asks for the page, so
/// that no lookup pays for it.
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
    private let soonestEnd: Meter
    private let observing: Meter
    private let dane: Meter

    init(_ factory: any MetricsFactory) {
        func meter(_ name: String, _ labels: [(String, String)] = []) -> Meter {
            Meter(label: "sts_bridge_\(name)", dimensions: labels, factory: factory)
        }
        let states = EntryState.allCases.map { ($0, meter("cached_domains", [("state", $0.rawValue)])) }
        domains = Dictionary(states) { first, _ in first }
        failing = meter("failing_domains")
        soonestExpiry = meter("policy_soonest_expiry_seconds")
        soonestFailingExpiry = meter("policy_soonest_failing_expiry_seconds")
        oldestFetch = meter("policy_oldest_fetch_seconds")
        refreshesDue = meter("refreshes_due")
        flights = meter("discoveries_in_flight")
        unwritten = meter("archive_unwritten_changes")
        exempted = meter("overrides", [("kind", "exempt")])
        pinned = meter("overrides", [("kind", "pin")])
        soonestEnd = meter("override_soonest_end_seconds")
        observing = meter("observe_mode")
        dane = meter("dane_in_force")
    }

    func gather(from policies: PolicyService) async {
        let census = await policies.census()
        for (state, meter) in domains { meter.set(census.counts[state] ?? 0) }
        failing.set(census.failing)
        soonestExpiry.set(seconds(census.soonestExpiry.map { $0.time - census.at }))
        soonestFailingExpiry.set(seconds(census.soonestFailingExpiry.map { $0.time - census.at }))
        oldestFetch.set(seconds(census.oldestFetch.map { census.at - $0.time }))
        refreshesDue.set(census.refreshesDue)
        flights.set(census.flights)
        unwritten.set(census.unwritten)
        exempted.set(census.exempted)
        pinned.set(census.pinned)
        let ends = policies.overrides().compactMap(\.until)
        soonestEnd.set(seconds(ends.min().map { $0 - WallTime.current }))
        observing.set(policies.isObserving ? 1 : 0)
        dane.set(policies.isUsingDANE ? 1 : 0)
    }

    /// NaN, where there is nothing to tell, holds in no comparison: it raises no alarm.
    private func seconds(_ duration: Duration?) -> Double {
        duration.map { $0 / .seconds(1) } ?? .nan
    }
}

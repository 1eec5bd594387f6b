import Discovery
import Metrics

/// Counts fetches in flight and waiting: of all fetchers together, since a reload has two for a while.
package struct FetchMetrics: Sendable {
    private let inFlight: Meter
    private let waiting: Meter

    package init(factory: any MetricsFactory) {
        inFlight = Meter(label: "sts_bridge_policy_fetches_in_flight", factory: factory)
        waiting = Meter(label: "sts_bridge_policy_fetches_waiting", factory: factory)
    }

    package func add(_ change: FetchLoadChange) {
        inFlight.increment(by: Double(change.inFlight))
        waiting.increment(by: Double(change.waiting))
    }
}

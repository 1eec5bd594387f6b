import DANE
import Discovery
import Metrics

/// Counts the results of discoveries, and measures fetches. A cancelled discovery has no result and is not counted.
///
/// Concurrency: any thread.
package struct DiscoveryMetrics: Sendable {
    private let records: [String: Counter]
    private let fetches: [String: Counter]
    private let discoveries: [String: Counter]
    private let fetchDuration: Timer
    private let notStarted: [String: Counter]

    package init(factory: any MetricsFactory) {
        // Made at the start: a series that begins with its first event hides that event from increase().
        func counters(_ name: String, label: String, values: [String]) -> [String: Counter] {
            let counters = values.map { ($0, Counter(label: name, dimensions: [(label, $0)], factory: factory)) }
            return Dictionary(counters) { first, _ in first }
        }
        records = counters("sts_bridge_record_lookups_total", label: "result", values: RecordResult.labelValues)
        fetches = counters("sts_bridge_policy_fetches_total", label: "result", values: PolicyResult.labelValues)
        discoveries = counters(
            "sts_bridge_dane_discoveries_total", label: "coverage", values: DANECoverage.labelValues)
        notStarted = counters(
            "sts_bridge_policy_fetches_not_started_total", label: "reason", values: SlotShortage.labelValues)
        fetchDuration = Timer(label: "sts_bridge_policy_fetch_duration_seconds", factory: factory)
    }

    package func count(_ event: DiscoveryEvent) {
        switch event {
        case .record(let report):
            report.result.labelValue.flatMap { records[$0] }?.increment()
        case .policy(let report):
            if let reason = report.result.notStartedReason {
                notStarted[reason]?.increment()
                return
            }
            guard let result = report.result.labelValue else { return }
            fetches[result]?.increment()
            if !report.addresses.isEmpty { fetchDuration.record(duration: report.fetchDuration) }
        case .dane(let report):
            guard report.result.failure?.cause != .cancelled else { return }
            discoveries[report.result.coverage(wasSigned: false).labelValue]?.increment()
        }
    }
}

/// Counts policy fetches in flight and waiting, of all fetchers together: during a reload there are two.
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

extension RecordResult {
    fileprivate static let labelValues = ["published", "none", "several", "invalid", "failed"]

    /// `nil`: it was cancelled.
    fileprivate var labelValue: String? {
        switch self {
        case .published: "published"
        case .absent(.nameError), .absent(.noData), .absent(.noCandidate): "none"
        case .absent(.several): "several"
        case .absent(.invalid): "invalid"
        case .failed(let failure): failure.cause == .cancelled ? nil : "failed"
        }
    }
}

extension PolicyResult {
    fileprivate static let labelValues = ["success"] + PolicyFetchError.Category.allCases.map(\.rawValue) + ["local"]

    /// `nil`: it was cancelled.
    fileprivate var labelValue: String? {
        switch self {
        case .policy: "success"
        case .failed(.fetch(.cancelled)): nil
        case .failed(.hostLookup(let failure)) where failure.cause == .cancelled: nil
        case .failed(let failure): failure.category?.rawValue ?? "local"
        }
    }

    /// Why the fetch got no slot; `nil`: it had one.
    fileprivate var notStartedReason: String? {
        guard case .failed(.fetch(.noSlot(let shortage))) = self else { return nil }
        return shortage.labelValue
    }
}

extension SlotShortage {
    fileprivate static let labelValues = ["no-slot", "queue-full"]

    /// `nil`: a connection was tried.
    fileprivate var labelValue: String? {
        switch self {
        case .noFreeSlot: "no-slot"
        case .queueFull: "queue-full"
        case .interrupted: nil
        }
    }
}

extension DANECoverage {
    fileprivate static let labelValues = ["complete", "partial", "unknown", "none"]

    fileprivate var labelValue: String {
        switch self {
        case .complete: "complete"
        case .partial: "partial"
        case .unknown: "unknown"
        case .notApplicable: "none"
        }
    }
}

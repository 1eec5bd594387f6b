import Discovery
import Logging
import Metrics
import PolicyCaching
import Synchronization

/// Reports in observe mode what Postfix would have received: in the log at debug, and as a counter.
///
/// `sts_bridge_observed_total` has the labels `rule` and `reply`, which have few values.
/// Concurrency: any thread.
final class ObservedLookups: Sendable {
    private struct Kind: Hashable {
        let rule: Decision.Rule
        let reply: String
    }

    private let logger: Logger
    private let metrics: any MetricsFactory
    private let counters = Mutex<[Kind: Counter]>([:])

    init(logger: Logger, metrics: any MetricsFactory) {
        self.logger = logger
        self.metrics = metrics
    }

    /// - Parameter lookups: the number of lookups that were answered while this decision was looked up for all of them.
    func log(_ decision: Decision, for destination: Destination, lookups: Int = 1) {
        counter(of: Kind(rule: decision.rule, reply: decision.action.word)).increment(by: lookups)
        logger.debug(
            "observed, Postfix got no policy",
            metadata: [
                "domain": "\(destination.domain)", "origin": "\(Origin.lookup.rawValue)",
                "rule": "\(decision.rule.rawValue)",
                "reply": "\(decision.action.word)", "lookups": "\(lookups)",
            ])
    }

    private func counter(of kind: Kind) -> Counter {
        counters.withLock { counters in
            if let known = counters[kind] { return known }
            let counter = Counter(
                label: "sts_bridge_observed_total",
                dimensions: [("rule", kind.rule.rawValue), ("reply", kind.reply)], factory: metrics)
            counters[kind] = counter
            return counter
        }
    }
}

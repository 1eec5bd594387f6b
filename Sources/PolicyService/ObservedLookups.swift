import Discovery
import Logging
import Metrics
import Synchronization

/// Tells what Postfix would have been told without observe mode: the log at debug, and a counter.
///
/// Metrics: `sts_bridge_observed_total` by `rule` and `reply`, which are few.
/// Concurrency: any thread; called for each lookup in observe mode.
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

    /// - Parameter lookups: how many were answered at once while this was being found out for all of them.
    func tell(_ decision: Decision, on destination: DANEDestination, lookups: Int = 1) {
        counter(of: Kind(rule: decision.rule, reply: decision.action.word)).increment(by: lookups)
        logger.debug(
            "observed, Postfix was told nothing",
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

import Metrics
import PolicyCaching
import Synchronization

/// Reports errors of the store: in the log each error once until the store works again, in the metrics always.
///
/// `sts_bridge_store_failures_total` counts failed tries. `sts_bridge_store_failing` is 1 while reading or writing fails.
final class StoreHealth: Sendable {
    enum Work: Sendable {
        case reading
        case readingOverrides
        case writing
    }

    private struct State {
        var failing: Set<Work> = []
        /// Errors are few. The limit is for a text that differs each time.
        var logged = LogOnce(limit: 16, whenFull: .startOver)
    }

    private let log: EventLogger
    private let state = Mutex(State())

    private let failures: Counter
    private let failing: Gauge

    init(log: EventLogger, metrics: any MetricsFactory) {
        self.log = log
        failures = Counter(label: "sts_bridge_store_failures_total", factory: metrics)
        failing = Gauge(label: "sts_bridge_store_failing", factory: metrics)
        failing.record(0)
    }

    /// - Parameter work: fails until its `recovered`; `nil` for a single read.
    func failed(_ error: StoreError, during work: Work?) {
        failures.increment()
        if work != nil { failing.record(1) }
        let isNew = state.withLock { state in
            if let work { state.failing.insert(work) }
            return state.logged.isNew(error.description)
        }
        if isNew { log.storeFailed(error) }
    }

    /// A single read succeeded. The next error is logged again, unless some work is still failing.
    func readSucceeded() {
        state.withLock { state in
            if state.failing.isEmpty { state.logged.reset() }
        }
    }

    /// - Parameter pending: the number of changes that are not written yet.
    func recovered(_ work: Work, pending: Int = 0) {
        let hasRecovered = state.withLock { state in
            guard state.failing.remove(work) != nil, state.failing.isEmpty else { return false }
            state.logged.reset()
            return true
        }
        guard hasRecovered else { return }
        failing.record(0)
        log.storeRecovered(pending: pending)
    }

    func endedWithUnwritten(_ count: Int) {
        log.changesNotWritten(count)
    }
}

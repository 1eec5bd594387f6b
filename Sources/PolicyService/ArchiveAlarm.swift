import Metrics
import Synchronization

/// Tells of an archive that does not work: the log of each kind of trouble once, until it works again; the metrics always.
///
/// Metrics: `sts_bridge_archive_failures_total` counts tries that failed, `sts_bridge_archive_failing` is 1 while it cannot
/// be written or read.
final class ArchiveAlarm: Sendable {
    enum Work: Sendable {
        case reading
        case readingOrders
        case writing
    }

    private struct State {
        var failing: Set<Work> = []
        var told: Set<String> = []
    }

    private let log: ChangeLog
    private let state = Mutex(State())
    /// Causes are few; a text that differs each time must not grow for ever.
    private static let maximumTold = 16
    private let failures: Counter
    private let failing: Gauge

    init(log: ChangeLog, metrics: any MetricsFactory) {
        self.log = log
        failures = Counter(label: "sts_bridge_archive_failures_total", factory: metrics)
        failing = Gauge(label: "sts_bridge_archive_failing", factory: metrics)
        failing.record(0)
    }

    /// - Parameter work: what is known not to work until its `end`; `nil`: a single try.
    func raise(_ failure: ArchiveFailure, _ work: Work?) {
        failures.increment()
        if work != nil { failing.record(1) }
        let isNew = state.withLock { state in
            if let work { state.failing.insert(work) }
            if state.told.count >= Self.maximumTold { state.told = [] }
            return state.told.insert(failure.description).inserted
        }
        if isNew { log.archiveFailed(failure) }
    }

    /// A single try went well: the next trouble is news, unless something is known not to work.
    func calm() {
        state.withLock { state in
            if state.failing.isEmpty { state.told = [] }
        }
    }

    /// - Parameter pending: changes that wait to be committed.
    func end(_ work: Work, pending: Int = 0) {
        let hasEnded = state.withLock { state in
            guard state.failing.remove(work) != nil, state.failing.isEmpty else { return false }
            state.told = []
            return true
        }
        guard hasEnded else { return }
        failing.record(0)
        log.archiveRecovered(pending: pending)
    }

    func leftBehind(_ count: Int) {
        log.leftBehind(count)
    }
}

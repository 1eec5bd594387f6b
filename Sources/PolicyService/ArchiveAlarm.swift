import Metrics
import Synchronization

/// Tells of an archive that does not work: the log of each kind of trouble once, until it works again; the metrics always.
///
/// Metrics: `sts_bridge_archive_failures_total` counts tries that failed, `sts_bridge_archive_failing` is 1 until one
/// succeeds.
final class ArchiveAlarm: Sendable {
    private let log: ChangeLog
    private let told = Mutex<Set<String>>([])
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

    func raise(_ failure: ArchiveFailure) {
        failures.increment()
        failing.record(1)
        let isNews = told.withLock { told in
            if told.count >= Self.maximumTold { told = [] }
            return told.insert(failure.description).inserted
        }
        if isNews { log.archiveFailed(failure) }
    }

    /// - Parameter pending: changes that wait to be committed.
    func end(pending: Int) {
        failing.record(0)
        told.withLock { $0 = [] }
        log.archiveRecovered(pending: pending)
    }

    func leftBehind(_ count: Int) {
        log.leftBehind(count)
    }
}

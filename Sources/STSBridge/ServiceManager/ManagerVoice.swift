import Logging
import ServiceManager
import Synchronization

/// What the daemon says to its service manager, if it has one.
///
/// Threads: any. Fails by: one line in the log, once.
final class ManagerVoice: Sendable {
    private struct State {
        var isReady = false
        var owesReadiness = false
        var hasFailed = false
    }

    let watchdog: Duration?
    private let notifier: ServiceNotifier?
    private let logger: Logger
    private let state = Mutex(State())

    init(_ manager: ManagerTerms, logger: Logger) {
        watchdog = manager.watchdog
        notifier = manager.notifier
        self.logger = logger
    }

    /// Nobody listens.
    var isMute: Bool { notifier == nil }
    /// It was too busy to hear that we are ready, or that a reload is over. It waits for that, and ends us if it never comes.
    var owesReadiness: Bool { state.withLock(\.owesReadiness) }

    func ready(status: String) {
        let isTold = tell { notifier throws(NotifyFailure) in try notifier.tell(.ready, .status(status)) }
        state.withLock { ($0.isReady, $0.owesReadiness) = (true, !isTold) }
    }

    func alive() {
        tell { notifier throws(NotifyFailure) in try notifier.tell(.watchdog) }
    }

    func status(_ text: String) {
        tell { notifier throws(NotifyFailure) in try notifier.tell(.status(text)) }
    }

    func stopping() {
        tell { notifier throws(NotifyFailure) in
            try notifier.tell(.stopping, .status("Stopping, answering pending lookups"))
        }
    }

    /// A reload begins. To be followed by `reloaded`.
    func reloading() {
        guard state.withLock(\.isReady) else { return }
        tell { notifier throws(NotifyFailure) in try notifier.tell(.reloadingNow) }
    }

    /// Whatever came of it, it serves.
    func reloaded() {
        guard state.withLock(\.isReady) else { return }
        let isTold = tell { notifier throws(NotifyFailure) in try notifier.tell(.ready) }
        state.withLock { $0.owesReadiness = !isTold }
    }

    /// - Returns: whether it was sent.
    @discardableResult
    private func tell(_ body: (ServiceNotifier) throws(NotifyFailure) -> Void) -> Bool {
        guard let notifier else { return false }
        do throws(NotifyFailure) {
            try body(notifier)
            return true
        } catch {
            let isNews = state.withLock { state in
                defer { state.hasFailed = true }
                return !state.hasFailed
            }
            if isNews { logger.warning("service manager cannot be told", metadata: ["reason": "\(error)"]) }
            return false
        }
    }
}

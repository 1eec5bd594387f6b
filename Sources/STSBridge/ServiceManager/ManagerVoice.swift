import Logging
import ServiceManager
import Synchronization

/// What the daemon says to its service manager, if it has one.
///
/// Threads: any. Fails by: one line in the log, once.
final class ManagerVoice: Sendable {
    private struct State {
        var isReady = false
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

    func ready(status: String) {
        state.withLock { $0.isReady = true }
        tell { notifier throws(NotifyFailure) in try notifier.tell(.ready, .status(status)) }
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
        tell { notifier throws(NotifyFailure) in try notifier.tell(.ready) }
    }

    private func tell(_ body: (ServiceNotifier) throws(NotifyFailure) -> Void) {
        guard let notifier else { return }
        do throws(NotifyFailure) {
            try body(notifier)
        } catch {
            let isNews = state.withLock { state in
                defer { state.hasFailed = true }
                return !state.hasFailed
            }
            if isNews { logger.warning("service manager cannot be told", metadata: ["reason": "\(error)"]) }
        }
    }
}

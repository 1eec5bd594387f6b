import Logging
import Synchronization
import Systemd

/// Sends the daemon's state to systemd, if systemd has started the daemon.
///
/// Protocol: sd_notify(3).
/// Concurrency: any thread.
/// Errors: one log line for the first error.
final class SystemdNotifier: Sendable {
    private struct State {
        var isReady = false
        var isReadyPending = false
        var isErrorLogged = false
    }

    let watchdog: Duration?
    private let notifier: ServiceNotifier?
    private let logger: Logger
    private let state = Mutex(State())

    init(_ environment: ServiceManagerEnvironment, logger: Logger) {
        watchdog = environment.watchdog
        notifier = environment.notifier
        self.logger = logger
    }

    /// Whether systemd expects no messages.
    var isDisabled: Bool { notifier == nil }
    /// Whether systemd was too busy for the last "ready" message. It waits for the message, and stops the daemon without it.
    var isReadyPending: Bool { state.withLock(\.isReadyPending) }

    func ready(status: String) {
        let isSent = send { notifier throws(NotifyError) in try notifier.send(.ready, .status(status)) }
        state.withLock { ($0.isReady, $0.isReadyPending) = (true, !isSent) }
    }

    func alive() {
        send { notifier throws(NotifyError) in try notifier.send(.watchdog) }
    }

    func status(_ text: String) {
        send { notifier throws(NotifyError) in try notifier.send(.status(text)) }
    }

    func stopping() {
        send { notifier throws(NotifyError) in
            try notifier.send(.stopping, .status("Stopping, answering pending lookups"))
        }
    }

    /// A reload begins. Call `reloaded` after it.
    func reloading() {
        guard state.withLock(\.isReady) else { return }
        send { notifier throws(NotifyError) in try notifier.send(.reloadingNow) }
    }

    /// A reload has ended, whatever its result.
    func reloaded() {
        guard state.withLock(\.isReady) else { return }
        let isSent = send { notifier throws(NotifyError) in try notifier.send(.ready) }
        state.withLock { $0.isReadyPending = !isSent }
    }

    /// - Returns: whether it was sent.
    @discardableResult
    private func send(_ body: (ServiceNotifier) throws(NotifyError) -> Void) -> Bool {
        guard let notifier else { return false }
        do throws(NotifyError) {
            try body(notifier)
            return true
        } catch {
            let isFirst = state.withLock { state in
                defer { state.isErrorLogged = true }
                return !state.isErrorLogged
            }
            if isFirst { logger.warning("cannot send status to systemd", metadata: ["reason": "\(error)"]) }
            return false
        }
    }
}

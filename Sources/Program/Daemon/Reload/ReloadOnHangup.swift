import ServiceLifecycle
import UnixSignals

/// Reloads the configuration at each SIGHUP.
struct ReloadOnHangup: Service {
    private let reloader: Reloader
    private let untilListening: AsyncStream<Never>
    private let hangups: UnixSignalsSequence

    /// Traps SIGHUP. Call it before the daemon listens: an operator may send the signal as soon as the log shows that.
    ///
    /// - Parameter untilListening: ends when the daemon listens. Before that, a reload has nothing to change.
    init(_ reloader: Reloader, untilListening: AsyncStream<Never>) async {
        self.reloader = reloader
        self.untilListening = untilListening
        hangups = await UnixSignalsSequence(trapping: .sighup)
    }

    func run() async throws {
        for await _ in untilListening.cancelOnGracefulShutdown() {}
        for await _ in hangups.cancelOnGracefulShutdown() { _ = await reloader.reload() }
    }
}

import ServiceLifecycle
import UnixSignals

/// SIGHUP reads the configuration again.
struct ReloadOnHangup: Service {
    private let reloader: Reloader
    private let untilListening: AsyncStream<Never>
    private let hangups: UnixSignalsSequence

    /// Traps SIGHUP. Call it before the daemon listens: an operator may send the signal as soon as the log says so.
    ///
    /// - Parameter untilListening: ends when the daemon listens: before that there is nothing to change.
    init(reloader: Reloader, untilListening: AsyncStream<Never>) async {
        self.reloader = reloader
        self.untilListening = untilListening
        hangups = await UnixSignalsSequence(trapping: .sighup)
    }

    func run() async throws {
        for await _ in untilListening.cancelOnGracefulShutdown() {}
        for await _ in hangups.cancelOnGracefulShutdown() { _ = await reloader.reload() }
    }
}

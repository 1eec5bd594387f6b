import ServiceLifecycle
import UnixSignals

/// SIGHUP reads the configuration again.
struct ReloadOnHangup: Service {
    let reloader: Reloader
    /// Ends when the daemon listens: before that there is nothing to change.
    let untilListening: AsyncStream<Never>

    func run() async throws {
        // Trapped at once, so that one that comes early is not lost.
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        for await _ in untilListening.cancelOnGracefulShutdown() {}
        for await _ in hangups.cancelOnGracefulShutdown() { _ = await reloader.reload() }
    }
}

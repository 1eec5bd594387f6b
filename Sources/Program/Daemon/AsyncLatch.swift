import ServiceLifecycle
import Synchronization

/// An event that happens once, and for which several services wait.
///
/// Concurrency: any thread.
final class AsyncLatch: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [AsyncStream<Never>.Continuation] = []
    }

    private let state = Mutex(State())

    var isOpen: Bool { state.withLock(\.isOpen) }

    func open() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.isOpen = true
            return state.waiting
        }
        for continuation in waiting { continuation.finish() }
    }

    /// Ends when the latch is opened, at once if it is open. A stream of its own for each reader.
    var opening: AsyncStream<Never> {
        let (stream, continuation) = AsyncStream<Never>.makeStream()
        let isOpen = state.withLock { state in
            if !state.isOpen { state.waiting.append(continuation) }
            return state.isOpen
        }
        if isOpen { continuation.finish() }
        return stream
    }

    /// Returns when the latch is open, or when the task is cancelled or has to shut down.
    func wait() async {
        for await _ in opening.cancelOnGracefulShutdown() {}
    }
}

/// A service that starts when a latch is open.
struct LatchedService: Service {
    let latch: AsyncLatch
    let service: any Service

    func run() async throws {
        await latch.wait()
        guard !Task.isShuttingDownGracefully, !Task.isCancelled else { return }
        try await service.run()
    }
}

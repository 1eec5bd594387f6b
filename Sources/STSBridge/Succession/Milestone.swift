import Synchronization

/// Something that happens once, and that several services wait for.
///
/// Threads: any.
final class Milestone: Sendable {
    private struct State {
        var isReached = false
        var waiting: [AsyncStream<Never>.Continuation] = []
    }

    private let state = Mutex(State())

    func reach() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.isReached = true
            return state.waiting
        }
        for one in waiting { one.finish() }
    }

    /// Ends when it is reached, at once if it was. One for each who waits.
    var arrival: AsyncStream<Never> {
        let (stream, continuation) = AsyncStream<Never>.makeStream()
        let isReached = state.withLock { state in
            if !state.isReached { state.waiting.append(continuation) }
            return state.isReached
        }
        if isReached { continuation.finish() }
        return stream
    }
}

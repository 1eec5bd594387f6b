import Synchronization
import TextFormats

/// Wall time that moves when a test says so, and the sleep that goes with it.
package final class ManualTime: Sendable {
    private struct Sleeper {
        let end: WallTime
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now: WallTime
        var sleepers: [UInt64: Sleeper] = [:]
        var lastSleeper: UInt64 = 0
        /// Tests that wait until a task sleeps no longer than until then.
        var watchers: [(end: WallTime, continuation: CheckedContinuation<Void, Never>)] = []

        mutating func takeAwake() -> [Sleeper] {
            let awake = sleepers.filter { $0.value.end <= now }
            for number in awake.keys { sleepers[number] = nil }
            return Array(awake.values)
        }
    }

    private let state: Mutex<State>

    /// Starts at 2026-01-01T00:00:00Z by default.
    package init(_ start: WallTime = WallTime(milliseconds: 1_767_225_600_000)) {
        state = Mutex(State(now: start))
    }

    package var now: WallTime { state.withLock(\.now) }

    /// Moves the clock, also backwards, and resumes each wait whose time is over.
    package func advance(_ span: Duration) {
        let awake = state.withLock { state in
            state.now = state.now + span
            return state.takeAwake()
        }
        for sleeper in awake { sleeper.continuation.resume() }
    }

    /// Advances the clock when a task sleeps that this wakes up, or that sleeps for `limit` at most.
    package func pass(_ span: Duration, onceAsleepFor limit: Duration? = nil) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                let end = state.now + (limit ?? span)
                let isThere = state.sleepers.values.contains { $0.end <= end }
                if !isThere { state.watchers.append((end, continuation)) }
                return isThere
            }
            if isThere { continuation.resume() }
        }
        advance(span)
    }

    /// Returns when the clock has been moved so far; throws when its task is cancelled.
    package func sleep(_ span: Duration) async throws {
        guard span > .zero else { return try Task.checkCancellation() }
        let number = state.withLock { state in
            state.lastSleeper += 1
            return state.lastSleeper
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (watchers, isCancelled) = state.withLock { state in
                    if Task.isCancelled { return ([CheckedContinuation<Void, Never>](), true) }
                    let end = state.now + span
                    state.sleepers[number] = Sleeper(end: end, continuation: continuation)
                    defer { state.watchers.removeAll { $0.end >= end } }
                    return (state.watchers.filter { $0.end >= end }.map(\.continuation), false)
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
                for watcher in watchers { watcher.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { $0.sleepers.removeValue(forKey: number) }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}

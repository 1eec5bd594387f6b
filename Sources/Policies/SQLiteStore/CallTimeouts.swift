import Dispatch
import Synchronization
import TextFormats

/// Ends the calls that take longer than their timeout. One timer serves all calls: most last less than a millisecond, and a
/// timer for each would cost more than the call.
///
/// Concurrency: any thread. `expire` runs on a queue of its own, without a lock.
final class CallTimeouts: Sendable {
    private struct State {
        var calls: [UInt64: (deadline: DispatchTime, expire: @Sendable () -> Void)] = [:]
        var lastID: UInt64 = 0
        /// The deadline of the timer. Timers with another deadline have no effect.
        var timer: DispatchTime?
    }

    private let queue = DispatchQueue(label: "sts-bridge.store.timers")
    private let state = Mutex(State())

    /// Calls `expire` after the timeout, unless `remove` is called before.
    ///
    /// - Returns: the number of the call, for `remove`.
    func add(after timeout: Duration, expire: @escaping @Sendable () -> Void) -> UInt64 {
        let deadline = DispatchTime.now() + .milliseconds(Int(timeout.milliseconds))
        return state.withLock { state in
            state.lastID += 1
            state.calls[state.lastID] = (deadline, expire)
            if state.timer.map({ deadline < $0 }) ?? true { startTimer(at: deadline, in: &state) }
            return state.lastID
        }
    }

    func remove(_ call: UInt64) {
        state.withLock { _ = $0.calls.removeValue(forKey: call) }
    }

    private func startTimer(at deadline: DispatchTime, in state: inout State) {
        state.timer = deadline
        queue.asyncAfter(deadline: deadline) { [weak self] in self?.timerFired(at: deadline) }
    }

    private func timerFired(at deadline: DispatchTime) {
        let expired = state.withLock { state -> [@Sendable () -> Void] in
            guard state.timer == deadline else { return [] }
            state.timer = nil
            let now = DispatchTime.now()
            let expired = state.calls.filter { $0.value.deadline <= now }
            for id in expired.keys { state.calls[id] = nil }
            if let next = state.calls.values.map(\.deadline).min() { startTimer(at: next, in: &state) }
            return expired.values.sorted { $0.deadline < $1.deadline }.map(\.expire)
        }
        for expire in expired { expire() }
    }
}

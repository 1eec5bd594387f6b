import Discovery
import Synchronization

/// Decides with the `FetchSchedule`, and passes its actions to the threads that run libcurl.
///
/// Concurrency: any thread. One mutex, held while the schedule handles one event. Tasks are resumed after it.
/// Errors: every fetch gets one result; after `close` it is `.cancelled`.
/// Not here: the order of fetches (FetchSchedule), transfers (CurlLoop).
final class FetchDispatcher: Sendable {
    typealias Reply = CheckedContinuation<Result<PolicyResponse, FetchError>, Never>

    /// The transfer of a fetch, and the thread that runs it.
    private struct Assignment {
        let transfer: TransferID
        let thread: Int
    }

    private struct State {
        var schedule: FetchSchedule
        var lastFetch: UInt64 = 0
        var lastTransfer: UInt64 = 0
        /// Removing a continuation and resuming it go together, so that it resumes once.
        var replies: [FetchID: Reply] = [:]
        var assignments: [FetchID: Assignment] = [:]
        /// The number of transfers of each thread.
        var transferCounts: [Int]
        /// The time at which the first thread calls `expire`, unless it is woken up.
        var timer: FetchSchedule.Instant?
        /// The load at the last call of `onLoadChange`.
        var load = (inFlight: 0, waiting: 0)
        var isClosing = false
    }

    /// What follows from an event after the mutex is released.
    private struct Outcome {
        var finished: [(Reply, Result<PolicyResponse, FetchError>)] = []
        var loadChange: FetchLoadChange?
    }

    private let threads: [CurlCommandQueue]
    private let onLoadChange: @Sendable (FetchLoadChange) -> Void
    private let state: Mutex<State>

    /// - Parameters:
    ///   - threads: the command queues of the threads, at least one. The first thread calls `expire`.
    ///   - onLoadChange: called on any thread.
    init(
        schedule: FetchSchedule, threads: [CurlCommandQueue],
        onLoadChange: @escaping @Sendable (FetchLoadChange) -> Void
    ) {
        self.threads = threads
        self.onLoadChange = onLoadChange
        state = Mutex(State(schedule: schedule, transferCounts: Array(repeating: 0, count: threads.count)))
    }

    // MARK: For tasks

    func newID() -> FetchID {
        state.withLock { state in
            state.lastFetch += 1
            return FetchID(number: state.lastFetch)
        }
    }

    /// Begins a fetch. Call it in the task of the caller. If the task is cancelled or the fetcher is closed, it replies
    /// `.cancelled` at once.
    ///
    /// A cancellation before this call finds no fetch, but it has set the task's cancelled flag, which this method reads
    /// under the lock. A later cancellation finds the fetch.
    func start(_ id: FetchID, request: PolicyRequest, reply: Reply) {
        var isAccepted = false
        handle { state in
            guard !state.isClosing, !Task.isCancelled else { return [] }
            isAccepted = true
            state.replies[id] = reply
            let now = ContinuousClock.now
            return state.schedule.submit(id, request: request, start: now, now: now)
        }
        if !isAccepted { reply.resume(returning: .failure(.cancelled)) }
    }

    func cancel(_ id: FetchID) {
        handle { $0.schedule.cancel(id, now: .now) }
    }

    /// Ends all fetches with `.cancelled`, and asks the threads to end.
    func close() {
        handle { state in
            state.isClosing = true
            return state.schedule.failAll(with: .cancelled)
        }
        for thread in threads { thread.close() }
    }

    // MARK: For the threads

    /// A transfer has ended by itself. It has no effect on a transfer that the schedule has ended meanwhile.
    func transferEnded(_ transfer: TransferID, of fetch: FetchID, result: AttemptResult) {
        handle { state in
            guard state.assignments[fetch]?.transfer == transfer else { return [] }
            Self.removeAssignment(of: fetch, in: &state)
            return state.schedule.attemptEnded(fetch, result: result, now: .now)
        }
    }

    /// Ends the turns and waits that end now. For the first thread.
    ///
    /// - Returns: the time of the next call; `nil`: none is needed until the thread is woken up.
    func expire() -> FetchSchedule.Instant? {
        var deadline: FetchSchedule.Instant?
        handle { state in
            let actions = state.schedule.expire(now: .now)
            deadline = state.schedule.nextDeadline
            state.timer = deadline
            return actions
        }
        return deadline
    }

    // MARK: Actions

    private func handle(_ event: (inout State) -> [FetchSchedule.Action]) {
        let outcome = state.withLock { state in
            let actions = event(&state)
            var outcome = Outcome()
            for action in actions { perform(action, in: &state, outcome: &outcome) }
            outcome.loadChange = Self.loadChange(in: &state)
            wakeTimer(in: &state)
            return outcome
        }
        for (reply, result) in outcome.finished { reply.resume(returning: result) }
        if let change = outcome.loadChange { onLoadChange(change) }
    }

    /// Commands are sent under the lock, so that the commands of one transfer keep their order.
    private func perform(_ action: FetchSchedule.Action, in state: inout State, outcome: inout Outcome) {
        switch action {
        case .connect(let id, let request, let address, let limits):
            let transfer = Self.assign(id, in: &state)
            threads[transfer.thread].append(
                .connect(transfer.transfer, of: id, request: request, address: address, limits: limits))
        case .disconnect(let id):
            guard let assignment = Self.removeAssignment(of: id, in: &state) else { return }
            threads[assignment.thread].append(.disconnect(assignment.transfer))
        case .finish(let id, let result):
            if let reply = state.replies.removeValue(forKey: id) { outcome.finished.append((reply, result)) }
        }
    }

    /// Gives the next transfer to the thread with the fewest, so that one fetch at a time uses one thread.
    private static func assign(_ id: FetchID, in state: inout State) -> Assignment {
        let counts = state.transferCounts
        let thread = counts.indices.min { counts[$0] < counts[$1] } ?? 0
        state.transferCounts[thread] += 1
        state.lastTransfer += 1
        let assignment = Assignment(transfer: TransferID(number: state.lastTransfer), thread: thread)
        state.assignments[id] = assignment
        return assignment
    }

    @discardableResult
    private static func removeAssignment(of id: FetchID, in state: inout State) -> Assignment? {
        guard let assignment = state.assignments.removeValue(forKey: id) else { return nil }
        state.transferCounts[assignment.thread] -= 1
        return assignment
    }

    private static func loadChange(in state: inout State) -> FetchLoadChange? {
        let (old, new) = (state.load, (inFlight: state.schedule.inFlight, waiting: state.schedule.waitingCount))
        guard old != new else { return nil }
        state.load = new
        return FetchLoadChange(inFlight: new.inFlight - old.inFlight, waiting: new.waiting - old.waiting)
    }

    /// Wakes up the first thread if it would call `expire` too late.
    private func wakeTimer(in state: inout State) {
        guard let next = state.schedule.nextDeadline, state.timer.map({ next < $0 }) ?? true else { return }
        state.timer = next
        threads[0].wakeUp()
    }
}

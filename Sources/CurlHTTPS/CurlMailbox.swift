import CCurl
import Discovery
import Synchronization

/// What the tasks and the thread of a `CurlFetcher` share: the only thing they share.
///
/// Concurrency: any task may call; one mutex, held for a few instructions.
final class CurlMailbox: Sendable {
    typealias Reply = CheckedContinuation<Result<PolicyResponse, FetchFailure>, Never>

    enum Command {
        case start(FetchID, PolicyRequest, at: ContinuousClock.Instant, Reply)
        case cancel(FetchID)
    }

    private struct State {
        var commands: [Command] = []
        var lastNumber: UInt64 = 0
        var isClosing = false
        var isOver = false
        /// To be woken. `nil` when the thread is ending.
        var multi: MultiHandle?
        var awaitingEnd: [CheckedContinuation<Void, Never>] = []

        /// Under the lock on purpose: the multi handle must not be freed meanwhile.
        func wake() {
            if let multi { curl_multi_wakeup(multi.pointer) }
        }
    }

    private let state: Mutex<State>

    init(waking multi: MultiHandle) {
        state = Mutex(State(multi: multi))
    }

    func newID() -> FetchID {
        state.withLock { state in
            state.lastNumber += 1
            return FetchID(number: state.lastNumber)
        }
    }

    /// Hands a fetch over to the thread. To be called within the asking task. Answers `.cancelled` at once when the
    /// task is cancelled or the fetcher closed.
    ///
    /// A cancellation that overtakes this call finds no fetch to end; but it has marked the task before, and the mark
    /// is read under the lock. One that comes later queues behind.
    func start(_ id: FetchID, _ request: PolicyRequest, _ reply: Reply) {
        let isTaken = state.withLock { state in
            guard !state.isClosing, !Task.isCancelled else { return false }
            state.commands.append(.start(id, request, at: .now, reply))
            state.wake()
            return true
        }
        if !isTaken { reply.resume(returning: .failure(.cancelled)) }
    }

    func cancel(_ id: FetchID) {
        state.withLock { state in
            guard !state.isClosing else { return }
            state.commands.append(.cancel(id))
            state.wake()
        }
    }

    /// Asks the thread to end.
    func close() {
        state.withLock { state in
            state.isClosing = true
            state.wake()
        }
    }

    /// Returns when the thread has let go of everything.
    func end() async {
        await withCheckedContinuation { waiter in
            let hasEnded = state.withLock { state in
                if !state.isOver { state.awaitingEnd.append(waiter) }
                return state.isOver
            }
            if hasEnded { waiter.resume() }
        }
    }

    /// For the thread: what has come in, and whether this was the last time.
    func collect() -> (commands: [Command], isClosing: Bool) {
        state.withLock { state in
            defer { state.commands = [] }
            return (state.commands, state.isClosing)
        }
    }

    /// For the thread, before it frees the multi handle: nobody wakes it any more.
    func stopWaking() {
        state.withLock { $0.multi = nil }
    }

    /// For the thread, as its last act.
    func hasEnded() {
        let waiters = state.withLock { state in
            state.isOver = true
            return state.awaitingEnd
        }
        for waiter in waiters { waiter.resume() }
    }
}

/// libcurl's multi handle, which belongs to the thread of the loop.
///
/// `@unchecked Sendable`: other threads only pass it to curl_multi_wakeup, the one function that libcurl allows them
/// (curl_multi_wakeup(3)), and under the mailbox's lock, so not after it was freed.
struct MultiHandle: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
}

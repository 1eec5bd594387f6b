import CCurl
import Discovery
import Synchronization

/// The commands from the tasks that call a `CurlFetcher` to its thread. Tasks and thread share nothing else.
///
/// Concurrency: Any task may call. One mutex, locked for a few instructions. Only the first command wakes up the thread.
final class CurlCommandQueue: Sendable {
    typealias Reply = CheckedContinuation<Result<PolicyResponse, FetchError>, Never>

    enum Command {
        case start(FetchID, PolicyRequest, at: ContinuousClock.Instant, Reply)
        case cancel(FetchID)
    }

    private struct State {
        var commands: [Command] = []
        var lastNumber: UInt64 = 0
        var isClosing = false
        var hasEnded = false
        /// The handle to wake up; `nil` when the thread is ending.
        var multi: MultiHandle?
        var endWaiters: [CheckedContinuation<Void, Never>] = []

        mutating func append(_ command: Command) {
            commands.append(command)
            if commands.count == 1 { wakeUp() }
        }

        /// Called under the lock, so that the thread does not free the multi handle at the same time.
        func wakeUp() {
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

    /// Sends a fetch to the thread. Call it in the task of the caller. If the task is cancelled or the fetcher is closed, it
    /// replies `.cancelled` at once.
    ///
    /// A cancellation before this call finds no fetch, but it has set the task's cancelled flag, which this method reads
    /// under the lock. A later cancellation comes after the fetch in the queue.
    func start(_ id: FetchID, request: PolicyRequest, reply: Reply) {
        let isAccepted = state.withLock { state in
            guard !state.isClosing, !Task.isCancelled else { return false }
            state.append(.start(id, request, at: .now, reply))
            return true
        }
        if !isAccepted { reply.resume(returning: .failure(.cancelled)) }
    }

    func cancel(_ id: FetchID) {
        state.withLock { state in
            guard !state.isClosing else { return }
            state.append(.cancel(id))
        }
    }

    /// Asks the thread to end.
    func close() {
        state.withLock { state in
            state.isClosing = true
            state.wakeUp()
        }
    }

    /// Returns when the thread has released all its resources.
    func waitForEnd() async {
        await withCheckedContinuation { waiter in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.endWaiters.append(waiter) }
                return state.hasEnded
            }
            if hasEnded { waiter.resume() }
        }
    }

    // MARK: For the thread

    /// Takes the new commands. `isClosing` means that these are the last ones.
    func takeCommands() -> (commands: [Command], isClosing: Bool) {
        state.withLock { state in
            defer { state.commands = [] }
            return (state.commands, state.isClosing)
        }
    }

    /// Stops all wake-ups. The thread calls it before it frees the multi handle.
    func stopWaking() {
        state.withLock { $0.multi = nil }
    }

    /// The last call of the thread.
    func signalEnd() {
        let waiters = state.withLock { state in
            state.hasEnded = true
            return state.endWaiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

/// libcurl's multi handle, which belongs to the thread of the `CurlLoop`.
///
/// `@unchecked Sendable`: other threads only pass it to curl_multi_wakeup, which libcurl allows (curl_multi_wakeup(3)). They
/// do so under the lock of the `CurlCommandQueue`, so never after the handle is freed.
struct MultiHandle: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
}

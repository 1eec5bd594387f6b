import CCurl
import Discovery
import Synchronization

/// One attempt of a fetch. Numbers are not used twice.
struct TransferID: Hashable, Sendable {
    let number: UInt64
}

/// The commands from the `FetchDispatcher` to one thread that runs libcurl.
///
/// Concurrency: any thread may call. One mutex, locked for a few instructions. Only the first command wakes up the thread.
final class CurlCommandQueue: Sendable {
    enum Command {
        case connect(
            TransferID, of: FetchID, request: PolicyRequest, address: IPAddress, limits: AttemptLimits)
        /// Close the connection. It has no effect on a transfer that has ended.
        case disconnect(TransferID)
    }

    private struct State {
        var commands: [Command] = []
        var isClosing = false
        var hasEnded = false
        /// The handle to wake up; `nil` when the thread is ending.
        var multi: MultiHandle?
        var endWaiters: [CheckedContinuation<Void, Never>] = []

        /// Called under the lock, so that the thread does not free the multi handle at the same time.
        func wakeUp() {
            if let multi { curl_multi_wakeup(multi.pointer) }
        }
    }

    private let state: Mutex<State>

    init(waking multi: MultiHandle) {
        state = Mutex(State(multi: multi))
    }

    func append(_ command: Command) {
        state.withLock { state in
            state.commands.append(command)
            if state.commands.count == 1 { state.wakeUp() }
        }
    }

    func wakeUp() {
        state.withLock { $0.wakeUp() }
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

    /// Takes the new commands. `isClosing` means that the thread must end.
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

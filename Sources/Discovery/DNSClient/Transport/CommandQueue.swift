import Synchronization

/// Identifies a question of one transport.
struct QuestionID: Hashable {
    let number: UInt64
}

/// The commands from tasks to the transport's thread.
///
/// Concurrency: Any thread may call. One mutex, locked for a few instructions. Only the first command wakes up the thread.
final class CommandQueue: Sendable {
    typealias Continuation = CheckedContinuation<Result<DNSMessage, QueryError>, Never>

    enum Command {
        case ask(QuestionID, DNSQuery, until: ContinuousClock.Instant, Continuation)
        case cancel(QuestionID)
        case replaceServers([NameServer])
        case listen(DNSSocket)
    }

    private struct State {
        var commands: [Command] = []
        var isClosing = false
        var hasEnded = false
        var endWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let lastID = Atomic<UInt64>(0)
    private let poller: Poller

    init(waking poller: Poller) {
        self.poller = poller
    }

    func newID() -> QuestionID { QuestionID(number: lastID.add(1, ordering: .relaxed).newValue) }

    /// Sends a command to the thread. Rejects it if the transport is closed.
    func append(_ command: Command) {
        let (isAccepted, isFirst) = state.withLock { state -> (Bool, Bool) in
            guard !state.isClosing else { return (false, false) }
            state.commands.append(command)
            return (true, state.commands.count == 1)
        }
        if isFirst { poller.wake() }
        if !isAccepted { Self.reject(command) }
    }

    static func reject(_ command: Command) {
        switch command {
        case .ask(_, _, _, let continuation): continuation.resume(returning: .failure(QueryError(.cancelled)))
        case .listen(let socket): socket.close()
        case .cancel, .replaceServers: break
        }
    }

    func close() {
        state.withLock { $0.isClosing = true }
        poller.wake()
    }

    // MARK: For the thread

    func takeCommands() -> (commands: [Command], isClosing: Bool) {
        state.withLock { state in
            defer { state.commands = [] }
            return (state.commands, state.isClosing)
        }
    }

    /// The last call of the thread, after it has closed its sockets.
    func signalEnd() {
        let waiters = state.withLock { state in
            state.hasEnded = true
            defer { state.endWaiters = [] }
            return state.endWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns when the thread has ended.
    func waitForEnd() async {
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.endWaiters.append(continuation) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
    }
}

import Synchronization

/// Identifies a question of one transport.
struct QuestionID: Hashable {
    let number: UInt64
}

/// Commands from tasks to the transport's thread.
///
/// Concurrency: any thread; one mutex, held for a few instructions. The thread is woken for the first command only.
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
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let lastID = Atomic<UInt64>(0)
    private let poller: Poller

    init(waking poller: Poller) {
        self.poller = poller
    }

    func newID() -> QuestionID { QuestionID(number: lastID.add(1, ordering: .relaxed).newValue) }

    /// Hands a command to the thread; refuses it when the transport is closed.
    func append(_ command: Command) {
        let (isTaken, isFirst) = state.withLock { state -> (Bool, Bool) in
            guard !state.isClosing else { return (false, false) }
            state.commands.append(command)
            return (true, state.commands.count == 1)
        }
        if isFirst { poller.wake() }
        if !isTaken { Self.refuse(command) }
    }

    static func refuse(_ command: Command) {
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

    // MARK: The thread's side

    func takeAll() -> (commands: [Command], isClosing: Bool) {
        state.withLock { state in
            defer { state.commands = [] }
            return (state.commands, state.isClosing)
        }
    }

    /// The thread has closed its sockets.
    func end() {
        let waiting = state.withLock { state in
            state.hasEnded = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for one in waiting { one.resume() }
    }

    /// Returns when the thread has ended.
    func ended() async {
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.waiting.append(continuation) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
    }
}

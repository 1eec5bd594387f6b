import Synchronization

/// Identifies a question of one transport.
struct QuestionID: Hashable {
    let number: UInt64
}

/// The commands from tasks to the transport's thread, and the jobs of the tasks that run on it (`TransportExecutor`).
///
/// Concurrency: Any thread may call. One mutex, locked for a few instructions. Only the first command wakes up the thread, and
/// only if it waits.
final class CommandQueue: Sendable {
    typealias Continuation = CheckedContinuation<Result<DNSMessage, QueryError>, Never>

    enum Command {
        case ask(QuestionID, DNSQuery, until: ContinuousClock.Instant, Continuation)
        case cancel(QuestionID)
        case replaceServers([NameServer])
        case listen(DNSSocket)
    }

    /// What the thread has to do.
    struct Work {
        var commands: [Command] = []
        var jobs: [UnownedJob] = []
        /// No commands follow.
        var isClosing = false

        var isEmpty: Bool { commands.isEmpty && jobs.isEmpty }
    }

    private struct State {
        var work = Work()
        /// The thread waits, or is about to. Otherwise it takes the work without a wake-up.
        var isWaiting = false
        var hasEnded = false
        var endWaiters: [CheckedContinuation<Void, Never>] = []

        /// Returns whether the thread waits, for the one caller that wakes it up.
        mutating func takeWait() -> Bool {
            defer { isWaiting = false }
            return isWaiting
        }
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
        let (isAccepted, mustWake) = state.withLock { state -> (Bool, Bool) in
            guard !state.work.isClosing else { return (false, false) }
            state.work.commands.append(command)
            return (true, state.takeWait())
        }
        if mustWake { poller.wake() }
        if !isAccepted { Self.reject(command) }
    }

    /// Sends a job of a task to the thread. Returns `false` if the thread has ended.
    func append(job: UnownedJob) -> Bool {
        let (isAccepted, mustWake) = state.withLock { state -> (Bool, Bool) in
            guard !state.hasEnded else { return (false, false) }
            state.work.jobs.append(job)
            return (true, state.takeWait())
        }
        if mustWake { poller.wake() }
        return isAccepted
    }

    static func reject(_ command: Command) {
        switch command {
        case .ask(_, _, _, let continuation): continuation.resume(returning: .failure(QueryError(.cancelled)))
        case .listen(let socket): socket.close()
        case .cancel, .replaceServers: break
        }
    }

    func close() {
        state.withLock { $0.work.isClosing = true }
        poller.wake()
    }

    // MARK: For the thread

    /// Takes the work. If there is none, the next command wakes up the thread.
    func takeWork() -> Work {
        state.withLock { state in
            defer { state.work = Work(isClosing: state.work.isClosing) }
            state.isWaiting = state.work.isEmpty
            return state.work
        }
    }

    /// The thread has waited, and will call `takeWork` again.
    func stopWaiting() {
        state.withLock { $0.isWaiting = false }
    }

    /// The last call of the thread, after it has closed its sockets. Jobs that are left run elsewhere.
    func signalEnd() {
        let (waiters, jobs) = state.withLock { state in
            state.hasEnded = true
            defer { (state.endWaiters, state.work.jobs) = ([], []) }
            return (state.endWaiters, state.work.jobs)
        }
        for job in jobs { TransportExecutor.runElsewhere(job) }
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

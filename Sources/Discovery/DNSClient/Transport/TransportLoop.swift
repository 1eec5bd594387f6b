import DequeModule
import Discovery
import HeapModule

/// Runs the open questions: handles commands, performs the actions of each `Exchange`, waits for sockets and timers.
///
/// Concurrency: Created, run and released on one thread; not Sendable.
/// Errors: Every question ends exactly once. `run` returns when none is left.
/// Not here: retransmissions and the end of a question (Exchange), the order of servers (ServerPool).
final class TransportLoop {
    typealias Instant = ContinuousClock.Instant
    typealias ServerID = ServerPool.ServerID

    /// The receiver of the result.
    enum Caller {
        case task(CommandQueue.Continuation)
        case forwarded([Requester])
        /// The result is delivered; a copy of the query is still open.
        case none
    }

    /// An open question.
    final class Question {
        let id: QuestionID
        let query: DNSQuery
        var exchange: Exchange
        var caller: Caller
        /// Indexes into the loop's sockets.
        var sockets: [Int] = []
        /// The current timer. Earlier timers have no effect.
        var timer: Instant?

        init(id: QuestionID, query: DNSQuery, exchange: Exchange, caller: Caller) {
            self.id = id
            self.query = query
            self.exchange = exchange
            self.caller = caller
        }
    }

    private struct Timer: Comparable {
        let time: Instant
        let question: QuestionID

        static func < (left: Timer, right: Timer) -> Bool { left.time < right.time }
    }

    let settings: DNSTransport.Settings
    let poller: Poller
    private let commandQueue: CommandQueue
    private let executor: TransportExecutor
    let onEvent: @Sendable (TransportEvent) -> Void
    var pool: ServerPool
    private var questions: [QuestionID: Question] = [:]
    /// The questions by age. Ended questions stay until they reach the front.
    private var questionsByAge: Deque<QuestionID> = []
    private var timers = Heap<Timer>()
    var sockets = SocketTable()
    var listeners: [Poller.Token: DNSSocket] = [:]
    /// Open forwarded questions, by the query without its identifier.
    var forwarded: [ArraySlice<UInt8>: QuestionID] = [:]
    /// The forwarded questions by age.
    var forwardedByAge: Deque<QuestionID> = []
    let forwardingLog: ForwardingLog
    /// Fits the largest message (RFC 1035 §4.2.2).
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

    init(
        servers: [NameServer], settings: DNSTransport.Settings, poller: Poller, commandQueue: CommandQueue,
        executor: TransportExecutor, forwardingLog: ForwardingLog, onEvent: @escaping @Sendable (TransportEvent) -> Void
    ) {
        self.forwardingLog = forwardingLog
        self.settings = settings
        self.poller = poller
        self.commandQueue = commandQueue
        self.executor = executor
        self.onEvent = onEvent
        pool = ServerPool(servers, at: .now)
    }

    deinit { buffer.deallocate() }

    /// Runs until the command queue is closed, and then ends every open question.
    func run() {
        while true {
            let work = commandQueue.takeWork()
            for command in work.commands {
                if work.isClosing { CommandQueue.reject(command) } else { handle(command, at: .now) }
            }
            for job in work.jobs { job.runSynchronously(on: executor.asUnownedTaskExecutor()) }
            guard !work.isClosing else { break }
            fireTimers(at: .now)
            // After work there may be more, so only look for events.
            let events = poller.wait(atMost: work.isEmpty ? timers.min.map { $0.time - .now } : .zero)
            commandQueue.stopWaiting()
            for event in events { handle(event, at: .now) }
        }
        for question in questions.values { perform(question.exchange.end(with: .cancelled), for: question, at: .now) }
        for listener in listeners.values { listener.close() }
        commandQueue.signalEnd()
    }

    private func handle(_ command: CommandQueue.Command, at now: Instant) {
        switch command {
        case .ask(let id, let query, let deadline, let continuation):
            begin(id, query: query, until: deadline, caller: .task(continuation), at: now)
        case .cancel(let id):
            if let question = questions[id] { perform(question.exchange.end(with: .cancelled), for: question, at: now) }
        case .replaceServers(let servers):
            pool.replace(with: servers, at: now)
            let order = pool.order(at: now)
            for question in questions.values {
                perform(question.exchange.serversReplaced(by: order, at: now), for: question, at: now)
            }
        case .listen(let socket): addListener(socket)
        }
    }

    private func handle(_ event: Poller.Event, at now: Instant) {
        if let listener = listeners[event.token] { return forwardQueries(from: listener) }
        guard let index = sockets.index(of: event.token), let entry = sockets[index],
            let question = questions[entry.question]
        else { return }
        perform(messages(on: index, event: event, of: question, at: now), for: question, at: now)
    }

    // MARK: Questions

    func newQuestionID() -> QuestionID { commandQueue.newID() }

    func question(_ id: QuestionID) -> Question? { questions[id] }

    func begin(_ id: QuestionID, query: DNSQuery, until deadline: Instant, caller: Caller, at now: Instant) {
        let exchange = Exchange(order: pool.order(at: now), timeout: settings.timeout, deadline: deadline, at: now)
        let question = Question(id: id, query: query, exchange: exchange, caller: caller)
        questions[id] = question
        questionsByAge.append(id)
        onEvent(.began)
        perform(question.exchange.start(at: now), for: question, at: now)
    }

    /// Performs the actions, and the actions that follow from them.
    func perform(_ actions: [Exchange.Action], for question: Question, at now: Instant) {
        var actions = Deque(actions)
        while let action = actions.popFirst() {
            switch action {
            case .transmit(let server):
                if question.exchange.transmissions > 1 { onEvent(.retransmitted) }
                actions.append(contentsOf: transmit(question, to: server, at: now))
            case .connect(let server): actions.append(contentsOf: connect(question, to: server, at: now))
            case .finish(let outcome): finish(question, outcome: outcome)
            case .answered(let server): pool.answered(server)
            case .recordMiss(let server, let evidence):
                if pool.recordMiss(server, evidence: evidence, at: now) {
                    onEvent(.failedOver(from: pool.address(of: server)))
                }
            case .close: remove(question)
            }
        }
        setTimer(for: question, after: now)
    }

    private func finish(_ question: Question, outcome: Exchange.Outcome) {
        let caller = question.caller
        question.caller = .none
        switch outcome {
        case .answer(_, _, let server): onEvent(.ended(nil, pool.address(of: server)))
        case .failed(let cause, let server): onEvent(.ended(cause, server.map { pool.address(of: $0) }))
        }
        switch caller {
        case .task(let continuation):
            switch outcome {
            case .answer(_, let message, _): continuation.resume(returning: .success(message))
            case .failed(let cause, _): continuation.resume(returning: .failure(QueryError(cause)))
            }
        case .forwarded(let requesters):
            forwarded[question.query.octets[2...]] = nil
            forwardingLog.record(outcome.cause, of: question.query, at: .now)
            respond(to: requesters, query: question.query, outcome: outcome)
        case .none: break
        }
    }

    private func remove(_ question: Question) {
        for index in question.sockets { sockets.remove(index) }
        question.sockets = []
        questions[question.id] = nil
        while let first = questionsByAge.first, questions[first] == nil { questionsByAge.removeFirst() }
    }

    /// Ends the oldest question that has a socket, to free the socket for `question`. Returns `false` if there is none.
    func endOldest(except question: Question) -> Bool {
        let id = questionsByAge.first { $0 != question.id && questions[$0]?.sockets.isEmpty == false }
        guard let id, let oldest = questions[id] else { return false }
        end(oldest)
        return true
    }

    func end(_ oldest: Question) {
        let cause = DNSError.Cause.local("too many DNS questions at once, the oldest one was dropped")
        perform(oldest.exchange.end(with: cause), for: oldest, at: .now)
    }

    // MARK: Timers

    /// The time is never in the past, so that `fireTimers` ends.
    private func setTimer(for question: Question, after now: Instant) {
        guard let event = question.exchange.nextEvent else { return }
        let next = max(event, now + .milliseconds(1))
        guard next != question.timer else { return }
        question.timer = next
        timers.insert(Timer(time: next, question: question.id))
    }

    private func fireTimers(at now: Instant) {
        while let first = timers.min, first.time <= now {
            timers.removeMin()
            guard let question = questions[first.question], question.timer == first.time else { continue }
            question.timer = nil
            perform(question.exchange.timerFired(at: now), for: question, at: now)
        }
    }
}

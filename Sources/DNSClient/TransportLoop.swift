import DequeModule
import Discovery
import HeapModule

/// Drives open questions: takes commands, performs what each `Exchange` decides, waits for sockets and timers.
///
/// Concurrency: made, run and destroyed on one thread, and not Sendable.
/// Errors: every question ends exactly once, whatever happens; `run` returns when none is left.
/// Not here: when a question is sent again and when it ends (Exchange), which server comes first (ServerPool).
final class TransportLoop {
    typealias Instant = ContinuousClock.Instant
    typealias ServerID = ServerPool.ServerID

    /// Who gets the result.
    enum Asker {
        case task(CommandQueue.Continuation)
        case forwarded([Requester])
        /// The result is given; a copy of the question is still under way.
        case nobody
    }

    /// A question and what belongs to it.
    final class Question {
        let id: QuestionID
        let query: DNSQuery
        var exchange: Exchange
        var asker: Asker
        /// Indexes into the loop's sockets.
        var sockets: [Int] = []
        /// The timer that is set; earlier ones are ignored.
        var timer: Instant?

        init(id: QuestionID, query: DNSQuery, exchange: Exchange, asker: Asker) {
            self.id = id
            self.query = query
            self.exchange = exchange
            self.asker = asker
        }
    }

    private struct Timer: Comparable {
        let time: Instant
        let question: QuestionID

        static func < (left: Timer, right: Timer) -> Bool { left.time < right.time }
    }

    let settings: DNSTransport.Settings
    let poller: Poller
    private let queue: CommandQueue
    let onEvent: @Sendable (TransportEvent) -> Void
    var pool: ServerPool
    private var questions: [QuestionID: Question] = [:]
    /// In the order in which they began; questions that have ended are dropped when they come to the front.
    private var inOrder: Deque<QuestionID> = []
    private var timers = Heap<Timer>()
    var sockets = SocketTable()
    var listeners: [Poller.Token: DNSSocket] = [:]
    /// Forwarded questions under way, by the query without its identifier.
    var forwarded: [ArraySlice<UInt8>: QuestionID] = [:]
    /// In the order in which they began.
    var forwardedInOrder: Deque<QuestionID> = []
    let forwardingLog: ForwardingLog
    /// The largest message (RFC 1035 §4.2.2).
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

    init(
        servers: [NameServer], settings: DNSTransport.Settings, poller: Poller, queue: CommandQueue,
        forwardingLog: ForwardingLog, onEvent: @escaping @Sendable (TransportEvent) -> Void
    ) {
        self.forwardingLog = forwardingLog
        self.settings = settings
        self.poller = poller
        self.queue = queue
        self.onEvent = onEvent
        pool = ServerPool(servers, at: .now)
    }

    deinit { buffer.deallocate() }

    /// Until the queue is closed; then ends every open question.
    func run() {
        while true {
            let (commands, isClosing) = queue.takeAll()
            for command in commands {
                if isClosing { CommandQueue.refuse(command) } else { handle(command, at: .now) }
            }
            guard !isClosing else { break }
            fireTimers(at: .now)
            let events = poller.wait(atMost: timers.min.map { $0.time - .now })
            for event in events { handle(event, at: .now) }
        }
        for question in questions.values { perform(question.exchange.end(.cancelled), question, at: .now) }
        for listener in listeners.values { listener.close() }
        queue.end()
    }

    private func handle(_ command: CommandQueue.Command, at now: Instant) {
        switch command {
        case .ask(let id, let query, let deadline, let continuation):
            begin(id, query, until: deadline, asker: .task(continuation), at: now)
        case .cancel(let id):
            if let question = questions[id] { perform(question.exchange.end(.cancelled), question, at: now) }
        case .replaceServers(let servers):
            pool.replace(with: servers, at: now)
            let order = pool.order(at: now)
            for question in questions.values {
                perform(question.exchange.serversReplaced(by: order, at: now), question, at: now)
            }
        case .listen(let socket): addListener(socket)
        }
    }

    private func handle(_ event: Poller.Event, at now: Instant) {
        if let listener = listeners[event.token] { return forwardQueries(from: listener) }
        guard let index = sockets.index(of: event.token), let entry = sockets[index],
            let question = questions[entry.question]
        else { return }
        perform(messages(on: index, event, of: question, at: now), question, at: now)
    }

    // MARK: Questions

    func newQuestionID() -> QuestionID { queue.newID() }

    func question(_ id: QuestionID) -> Question? { questions[id] }

    func begin(_ id: QuestionID, _ query: DNSQuery, until deadline: Instant, asker: Asker, at now: Instant) {
        let exchange = Exchange(order: pool.order(at: now), timeout: settings.timeout, deadline: deadline, at: now)
        let question = Question(id: id, query: query, exchange: exchange, asker: asker)
        questions[id] = question
        inOrder.append(id)
        onEvent(.began)
        perform(question.exchange.start(at: now), question, at: now)
    }

    /// Performs the actions, and those that follow from them.
    func perform(_ actions: [Exchange.Action], _ question: Question, at now: Instant) {
        var actions = Deque(actions)
        while let action = actions.popFirst() {
            switch action {
            case .transmit(let server):
                if question.exchange.transmissions > 1 { onEvent(.retransmitted) }
                actions.append(contentsOf: transmit(question, to: server, at: now))
            case .connect(let server): actions.append(contentsOf: connect(question, to: server, at: now))
            case .finish(let outcome): finish(question, outcome)
            case .answered(let server): pool.answered(server)
            case .passOver(let server, let evidence):
                if pool.passOver(server, evidence, at: now) { onEvent(.failedOver(from: pool.address(of: server))) }
            case .close: remove(question)
            }
        }
        setTimer(for: question, after: now)
    }

    private func finish(_ question: Question, _ outcome: Exchange.Outcome) {
        let asker = question.asker
        question.asker = .nobody
        switch outcome {
        case .answer(_, _, let server): onEvent(.ended(nil, pool.address(of: server)))
        case .failed(let cause, let server): onEvent(.ended(cause, server.map { pool.address(of: $0) }))
        }
        switch asker {
        case .task(let continuation):
            switch outcome {
            case .answer(_, let message, _): continuation.resume(returning: .success(message))
            case .failed(let cause, _): continuation.resume(returning: .failure(QueryError(cause)))
            }
        case .forwarded(let requesters):
            forwarded[question.query.octets[2...]] = nil
            forwardingLog.record(outcome.cause, of: question.query, at: .now)
            respond(to: requesters, question.query, outcome)
        case .nobody: break
        }
    }

    private func remove(_ question: Question) {
        for index in question.sockets { sockets.remove(index) }
        question.sockets = []
        questions[question.id] = nil
        while let first = inOrder.first, questions[first] == nil { inOrder.removeFirst() }
    }

    /// Ends the oldest question that has a socket, which another question needs.
    ///
    /// - Returns: `false` when there is none.
    func endOldest(butNot question: Question) -> Bool {
        let id = inOrder.first { $0 != question.id && questions[$0]?.sockets.isEmpty == false }
        guard let id, let oldest = questions[id] else { return false }
        end(oldest)
        return true
    }

    func end(_ oldest: Question) {
        let cause = DNSFailure.Cause.local("too many DNS questions at once, the oldest one was dropped")
        perform(oldest.exchange.end(cause), oldest, at: .now)
    }

    // MARK: Timers

    /// Never for a time that has come already: `fireTimers` would not end.
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
            perform(question.exchange.timerFired(at: now), question, at: now)
        }
    }
}

import Discovery

/// The state of one open question. It decides which server gets the next transmission, and how the question ends.
///
/// A pure value: events go in, actions come out, and time is a parameter. Transmissions rotate over the servers in the order
/// of the pool. All sockets stay open until the end, so an answer to any transmission counts. After an error answer, a refused
/// datagram or a failure of this host, the next server gets the query at once. An error ends the question only if no other
/// server may have an answer. Without an answer it ends at the deadline.
///
/// Not here: sockets, timers and octets (TransportLoop), the history of servers (ServerPool).
struct Exchange {
    typealias Instant = ContinuousClock.Instant
    typealias ServerID = ServerPool.ServerID

    enum Action: Equatable {
        /// Send the query to the server over UDP.
        case transmit(ServerID)
        /// Send the query to the server over TCP.
        case connect(ServerID)
        /// The question is over.
        case finish(Outcome)
        /// The server did not answer the question, and another server answered it.
        case recordMiss(ServerID, ServerPool.Evidence)
        /// The server gave a usable answer.
        case answered(ServerID)
        /// Close the sockets.
        case close
    }

    enum Outcome: Equatable {
        case answer([UInt8], DNSMessage, from: ServerID)
        /// - from: The server of the error; `nil` without an answer.
        case failed(DNSError.Cause, from: ServerID?)

        /// The server of the answer or error.
        var server: ServerID? {
            switch self {
            case .answer(_, _, let server): server
            case .failed(_, let server): server
            }
        }

        /// `nil` for an answer.
        var cause: DNSError.Cause? {
            guard case .failed(let cause, _) = self else { return nil }
            return cause
        }
    }

    private struct Attempt {
        let firstSentAt: Instant
        var isOverTCP = false
        /// The kernel reports a closed port.
        var isRefused = false
        var error: DNSError.Cause?
        /// The reason why this host could not send the last transmission; `nil` if it did.
        var localFailure: String?
    }

    private enum Phase: Equatable {
        case asking
        /// The question is over. A demoted server has a copy and may still answer.
        case probing
        case over
    }

    private let timeout: Duration
    let deadline: Instant
    private var order: ServerPool.Order
    private var attempts: [ServerID: Attempt] = [:]
    private var rotation = 0
    private var schedule: RetransmissionSchedule
    private var nextTransmission: Instant
    /// The time at which the error of one server becomes the result, although others are silent.
    private var errorDeadline: Instant?
    private var phase = Phase.asking
    private var malformed: String?

    /// The number of transmissions over UDP.
    private(set) var transmissions = 0

    init(order: ServerPool.Order, timeout: Duration, deadline: Instant, at now: Instant) {
        self.order = order
        self.timeout = timeout
        self.deadline = deadline
        schedule = RetransmissionSchedule(timeout: timeout)
        nextTransmission = now
    }

    /// The time of the next call of `timerFired`; `nil` for never.
    var nextEvent: Instant? {
        switch phase {
        case .asking: [deadline, nextTransmission, errorDeadline].compactMap(\.self).min()
        case .probing: deadline
        case .over: nil
        }
    }

    var isOver: Bool { phase == .over }
    /// Whether there is no result yet.
    var isAsking: Bool { phase == .asking }

    // MARK: Events

    mutating func start(at now: Instant) -> [Action] {
        var actions = transmitNext(at: now)
        if let probe = order.probe, attempts[probe] == nil { actions.append(transmit(to: probe, at: now)) }
        return actions
    }

    mutating func timerFired(at now: Instant) -> [Action] {
        switch phase {
        case .over: return []
        case .probing: return now >= deadline ? close() : []
        case .asking: break
        }
        if now >= deadline { return finish(with: failureAtDeadline, at: now) }
        if let due = errorDeadline, now >= due {
            errorDeadline = nil
            if let error = firstError { return finish(with: error, at: now) }
        }
        return now >= nextTransmission ? transmitNext(at: now) : []
    }

    /// A message arrived on a socket of the question.
    mutating func received(_ reply: DNSReply, packet: [UInt8], from server: ServerID, at now: Instant) -> [Action] {
        guard phase != .over, attempts[server] != nil else { return [] }
        if phase == .probing {
            switch reply {
            case .answer, .truncated: return server == order.probe ? [.answered(server)] + close() : []
            case .unrelated, .malformed, .error: return []
            }
        }
        switch reply {
        case .unrelated:
            return []
        case .malformed(let reason):
            malformed = reason
            return transmitToNewServer(at: now)
        case .truncated:
            guard attempts[server]?.isOverTCP == false else { return [] }
            attempts[server]?.isOverTCP = true
            return [.connect(server)]
        case .error(let cause):
            // Ignore the error of a replaced server.
            guard order.servers.contains(server) else { return [] }
            attempts[server]?.error = cause
            return errorReceived(at: now)
        case .answer(let message):
            return [.answered(server)] + finish(with: .answer(packet, message, from: server), at: now)
        }
    }

    /// The server refused a datagram (ICMP).
    mutating func refused(by server: ServerID, at now: Instant) -> [Action] {
        guard phase == .asking, attempts[server]?.isRefused == false else { return [] }
        attempts[server]?.isRefused = true
        return transmitToNewServer(at: now)
    }

    /// A TCP connection brought no answer.
    enum ConnectionError: Equatable {
        /// Refused, reset, or closed before the answer.
        case lost
        /// This host could not connect: no file descriptor, no route.
        case local(String)
        /// The answer is malformed.
        case malformed(String)
    }

    /// TCP brought no answer. The question continues over UDP.
    mutating func connectionFailed(to server: ServerID, error: ConnectionError, at now: Instant) -> [Action] {
        guard phase == .asking else { return [] }
        attempts[server]?.isOverTCP = false
        switch error {
        case .lost: break
        case .local(let reason): attempts[server]?.localFailure = reason
        case .malformed(let reason): malformed = reason
        }
        return transmitToNewServer(at: now)
    }

    /// This host could not send: no file descriptor, no route. The next transmission tries again.
    mutating func sendFailed(to server: ServerID, reason: String, at now: Instant) -> [Action] {
        guard phase == .asking else { return [] }
        attempts[server]?.localFailure = reason
        transmissions -= 1
        return transmitToNewServer(at: now)
    }

    /// The servers were replaced. The new ones get the query at once; answers of the old ones still count.
    mutating func serversReplaced(by order: ServerPool.Order, at now: Instant) -> [Action] {
        guard phase == .asking else { return [] }
        self.order = order
        rotation = 0
        errorDeadline = nil
        return transmitNext(at: now)
    }

    /// Ends the question early.
    mutating func end(with cause: DNSError.Cause) -> [Action] {
        switch phase {
        case .asking:
            phase = .over
            return [.finish(.failed(cause, from: nil)), .close]
        case .probing: return close()
        case .over: return []
        }
    }

    // MARK: Transmissions

    /// Transmits to the next server that may still answer over UDP.
    private mutating func transmitNext(at now: Instant) -> [Action] {
        nextTransmission = now + schedule.next()
        for offset in 0..<order.servers.count {
            let server = order.servers[(rotation + offset) % order.servers.count]
            if let attempt = attempts[server], attempt.isOverTCP || attempt.error != nil { continue }
            rotation = (rotation + offset + 1) % order.servers.count
            return [transmit(to: server, at: now)]
        }
        return []
    }

    /// Transmits to a server without a transmission so far, if there is one.
    private mutating func transmitToNewServer(at now: Instant) -> [Action] {
        guard let index = order.servers.firstIndex(where: { attempts[$0] == nil }) else { return [] }
        nextTransmission = now + schedule.next()
        rotation = (index + 1) % order.servers.count
        return [transmit(to: order.servers[index], at: now)]
    }

    private mutating func transmit(to server: ServerID, at now: Instant) -> Action {
        attempts[server, default: Attempt(firstSentAt: now)].localFailure = nil
        transmissions += 1
        return .transmit(server)
    }

    // MARK: The end

    private var firstError: Outcome? {
        order.servers.lazy.compactMap { id in self.attempts[id]?.error.map { .failed($0, from: id) } }.first
    }

    private mutating func errorReceived(at now: Instant) -> [Action] {
        let open = order.servers.filter { attempts[$0]?.error == nil }
        if open.isEmpty, let error = firstError { return finish(with: error, at: now) }
        let actions = transmitToNewServer(at: now)
        // Servers that were silent lately rarely answer, so they get two intervals. Others get half of the time.
        let mayAnswer = open.filter {
            $0 != order.probe && attempts[$0]?.isRefused != true && !order.demoted.contains($0)
        }
        let wait = mayAnswer.isEmpty ? schedule.interval * 2 : timeout / 2
        errorDeadline = min(errorDeadline ?? deadline, now + wait)
        return actions
    }

    private var failureAtDeadline: Outcome {
        if let firstError { return firstError }
        if let malformed { return .failed(.malformedAnswer(malformed), from: nil) }
        let local = attempts.values.compactMap(\.localFailure)
        if let reason = local.first, local.count == attempts.count { return .failed(.local(reason), from: nil) }
        return .failed(.timedOut(after: timeout), from: nil)
    }

    private mutating func finish(with outcome: Outcome, at now: Instant) -> [Action] {
        var actions = misses(answeredBy: outcome.server, at: now)
        if case .answer(_, _, let server) = outcome, let probe = order.probe, probe != server,
            let attempt = attempts[probe], attempt.error == nil
        {
            phase = .probing
            actions.append(.finish(outcome))
            return actions
        }
        phase = .over
        return actions + [.finish(outcome), .close]
    }

    /// The misses of the servers that did not answer, although `server` did. A time-out of the whole question shows nothing,
    /// because it may depend on the name.
    private func misses(answeredBy server: ServerID?, at now: Instant) -> [Action] {
        guard let server else { return [] }
        let isAnswered = attempts[server]?.error == nil
        return attempts.sorted { $0.key.number < $1.key.number }.compactMap { id, attempt in
            guard id != server else { return nil }
            if attempt.isRefused { return .recordMiss(id, .refused) }
            if attempt.error != nil { return isAnswered ? .recordMiss(id, .error) : nil }
            let isSilent = attempt.localFailure != nil || now - attempt.firstSentAt >= schedule.interval
            return isSilent ? .recordMiss(id, .timeout(since: attempt.firstSentAt)) : nil
        }
    }

    private mutating func close() -> [Action] {
        phase = .over
        return [.close]
    }
}

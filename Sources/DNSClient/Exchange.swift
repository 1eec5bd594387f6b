import Discovery

/// One question under way: which server gets the next transmission, and how the question ends.
///
/// A pure value: events go in, actions come out, time is a parameter. Transmissions rotate over the servers in the pool's
/// order. Every socket stays open until the end, so an answer to any transmission is used. An error answer, a refused
/// datagram and a failure of this host lead to the next server at once. An error ends the question only when no server
/// is left that may know more; silence ends it only at the deadline.
/// Not here: sockets, timers and octets (TransportLoop), the servers' history (ServerPool).
struct Exchange {
    typealias Instant = ContinuousClock.Instant
    typealias ServerID = ServerPool.ServerID

    enum Action: Equatable {
        /// Send the query by UDP, from this question's socket to the server.
        case transmit(ServerID)
        /// Ask the server over TCP.
        case connect(ServerID)
        /// The question is over.
        case finish(Outcome)
        /// The server left the question without an answer, and another one answered it.
        case passOver(ServerID, ServerPool.Evidence)
        /// The server gave a usable answer.
        case answered(ServerID)
        /// Nothing more is awaited: close the sockets.
        case close
    }

    enum Outcome: Equatable {
        case answer([UInt8], DNSMessage, from: ServerID)
        /// - from: the server whose error this is; `nil`: none answered.
        case failed(DNSFailure.Cause, from: ServerID?)

        /// The server whose answer or error this is.
        var server: ServerID? {
            switch self {
            case .answer(_, _, let server): server
            case .failed(_, let server): server
            }
        }

        /// `nil`: it is an answer.
        var cause: DNSFailure.Cause? {
            guard case .failed(let cause, _) = self else { return nil }
            return cause
        }
    }

    private struct Attempt {
        let firstSentAt: Instant
        var isOverTCP = false
        /// The kernel reports that nobody listens there.
        var isRefused = false
        var error: DNSFailure.Cause?
        /// Why this host could not send the last transmission; `nil`: it was sent.
        var localFailure: String?
    }

    private enum Phase: Equatable {
        case asking
        /// The question is over; a demoted server got a copy and may still answer.
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
    /// When an error that one server gave becomes the result, though others are silent.
    private var errorStandsAt: Instant?
    private var phase = Phase.asking
    private var malformed: String?

    /// Transmissions of this question so far, over UDP.
    private(set) var transmissions = 0

    init(order: ServerPool.Order, timeout: Duration, deadline: Instant, at now: Instant) {
        self.order = order
        self.timeout = timeout
        self.deadline = deadline
        schedule = RetransmissionSchedule(timeout: timeout)
        nextTransmission = now
    }

    /// When `timerFired` has to be called next; `nil`: never.
    var nextEvent: Instant? {
        switch phase {
        case .asking: [deadline, nextTransmission, errorStandsAt].compactMap(\.self).min()
        case .probing: deadline
        case .over: nil
        }
    }

    var isOver: Bool { phase == .over }
    /// Whether the result is still open.
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
        if now >= deadline { return finish(failureAtDeadline, at: now) }
        if let due = errorStandsAt, now >= due {
            errorStandsAt = nil
            if let error = firstError { return finish(error, at: now) }
        }
        return now >= nextTransmission ? transmitNext(at: now) : []
    }

    /// A message from a server, on one of the question's sockets.
    mutating func received(_ reply: DNSReply, _ packet: [UInt8], from server: ServerID, at now: Instant) -> [Action] {
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
            return transmitToFreshServer(at: now)
        case .truncated:
            guard attempts[server]?.isOverTCP == false else { return [] }
            attempts[server]?.isOverTCP = true
            return [.connect(server)]
        case .error(let cause):
            // The error of a server that was replaced says nothing about the new ones.
            guard order.servers.contains(server) else { return [] }
            attempts[server]?.error = cause
            return errorReceived(at: now)
        case .answer(let message):
            return [.answered(server)] + finish(.answer(packet, message, from: server), at: now)
        }
    }

    /// A datagram to the server came back undeliverable (ICMP).
    mutating func refused(by server: ServerID, at now: Instant) -> [Action] {
        guard phase == .asking, attempts[server]?.isRefused == false else { return [] }
        attempts[server]?.isRefused = true
        return transmitToFreshServer(at: now)
    }

    /// Why TCP gave no answer.
    enum ConnectionFailure: Equatable {
        /// Refused, reset, or closed before the answer.
        case lost
        /// This host could not connect: no descriptor, no route.
        case local(String)
        /// The answer cannot be read.
        case malformed(String)
    }

    /// There is no answer over TCP: UDP goes on.
    mutating func connectionFailed(to server: ServerID, _ failure: ConnectionFailure, at now: Instant) -> [Action] {
        guard phase == .asking else { return [] }
        attempts[server]?.isOverTCP = false
        switch failure {
        case .lost: break
        case .local(let reason): attempts[server]?.localFailure = reason
        case .malformed(let reason): malformed = reason
        }
        return transmitToFreshServer(at: now)
    }

    /// This host could not send: no descriptor, no route. It is tried again with the next transmission.
    mutating func sendFailed(to server: ServerID, reason: String, at now: Instant) -> [Action] {
        guard phase == .asking else { return [] }
        attempts[server]?.localFailure = reason
        transmissions -= 1
        return transmitToFreshServer(at: now)
    }

    /// The servers are others now: they are asked at once. Answers of the old ones still count.
    mutating func serversReplaced(by order: ServerPool.Order, at now: Instant) -> [Action] {
        guard phase == .asking else { return [] }
        self.order = order
        rotation = 0
        errorStandsAt = nil
        return transmitNext(at: now)
    }

    /// The question ends early, with this cause.
    mutating func end(_ cause: DNSFailure.Cause) -> [Action] {
        switch phase {
        case .asking:
            phase = .over
            return [.finish(.failed(cause, from: nil)), .close]
        case .probing: return close()
        case .over: return []
        }
    }

    // MARK: Transmissions

    /// To the next server in turn that may still answer over UDP.
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

    /// To a server that has not been asked yet, if there is one.
    private mutating func transmitToFreshServer(at now: Instant) -> [Action] {
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
        if open.isEmpty, let error = firstError { return finish(error, at: now) }
        let actions = transmitToFreshServer(at: now)
        // Servers that were silent lately hardly know more: they get two intervals, others half of the time.
        let mayAnswer = open.filter {
            $0 != order.probe && attempts[$0]?.isRefused != true && !order.demoted.contains($0)
        }
        let wait = mayAnswer.isEmpty ? schedule.interval * 2 : timeout / 2
        errorStandsAt = min(errorStandsAt ?? deadline, now + wait)
        return actions
    }

    private var failureAtDeadline: Outcome {
        if let firstError { return firstError }
        if let malformed { return .failed(.malformedAnswer(malformed), from: nil) }
        let local = attempts.values.compactMap(\.localFailure)
        if let reason = local.first, local.count == attempts.count { return .failed(.local(reason), from: nil) }
        return .failed(.timedOut(after: timeout), from: nil)
    }

    private mutating func finish(_ outcome: Outcome, at now: Instant) -> [Action] {
        var actions = passedOver(by: outcome.server, at: now)
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

    /// What the end of this question shows about the servers that did not answer it. The time-out of a question shows
    /// nothing: the name may be at fault.
    private func passedOver(by server: ServerID?, at now: Instant) -> [Action] {
        guard let server else { return [] }
        let isAnswered = attempts[server]?.error == nil
        return attempts.sorted { $0.key.number < $1.key.number }.compactMap { id, attempt in
            guard id != server else { return nil }
            if attempt.isRefused { return .passOver(id, .refused) }
            if attempt.error != nil { return isAnswered ? .passOver(id, .error) : nil }
            let isSilent = attempt.localFailure != nil || now - attempt.firstSentAt >= schedule.interval
            return isSilent ? .passOver(id, .silence(since: attempt.firstSentAt)) : nil
        }
    }

    private mutating func close() -> [Action] {
        phase = .over
        return [.close]
    }
}

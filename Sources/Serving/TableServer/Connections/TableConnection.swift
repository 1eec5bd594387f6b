import Discovery
import Logging
import MTASTS
import NIOCore
import PolicyCaching
import PolicyRuntime
import PostfixTable
import TextFormats

/// One connection of a table client: passes events to `TableConnectionStateMachine` and performs its actions.
///
/// Protocol: socketmap_table(5) or tcp_table(5).
/// Concurrency: lives on the thread of its socket. Shares only the policy service, the registry and `ConnectionContext` with
/// other connections. The state machine makes callbacks from within `write`, `read` and `close` safe.
/// Errors: an error reply, then the end of the connection; Postfix retries once and then defers the mail. The connection
/// never closes while it is idle.
/// Not here: when to take, write and close (TableConnectionStateMachine), the meaning of a policy (PolicyService), its
/// form for Postfix (PostfixTable), system calls (SocketLoop).
package final class TableConnection {
    private typealias Machine = TableConnectionStateMachine<PendingReply>

    /// A request that waits for its discovery.
    private struct PendingLookup {
        let request: TableRequest
        let destination: Destination
        let waiter: Waiter
        let since: NIODeadline
    }

    private let table: TableProtocol
    private let service: PolicyService
    private let shared: ConnectionContext
    private let connection: Connection
    private let log: LookupLog
    private let logger: Logger
    private var machine: Machine
    private var renderer: ReplyRenderer
    private let readyWriter: ReadyReplyWriter
    private var lookups: [ReplyTicket: PendingLookup] = [:]
    /// The time of the last read. The time of a reply counts from here.
    private var readAt = NIODeadline.now()
    /// `nil` after the socket is closed.
    private var socket: (any ConnectionSocket)?

    /// - Parameter connection: the connection's entry in the registry, and its message queue.
    package init(
        _ table: TableProtocol, socket: any ConnectionSocket, service: PolicyService, shared: ConnectionContext,
        connection: Connection, logger: Logger
    ) {
        self.table = table
        self.socket = socket
        self.service = service
        self.shared = shared
        self.connection = connection
        self.logger = logger
        log = LookupLog(logger: logger)
        machine = Machine(table, settings: shared.settings)
        renderer = ReplyRenderer(table, shared: shared)
        readyWriter = ReadyReplyWriter(table, service: service, shared: shared)
    }

    // MARK: Events of the socket

    /// The socket has read octets. `readCompleted` follows.
    package func received(_ octets: ByteBuffer) {
        readAt = .now()
        let settings = shared.settings
        var rest = octets
        let ready = readyReplies(to: &rest, settings: settings)
        machine.received(rest, settings: settings)
        if let ready { write(ready: ready) }
    }

    package func readCompleted() { perform(machine.readCompleted(on: channelState)) }

    /// The socket may read more, if the connection allows it.
    package func readRequested() { perform(machine.readRequested(on: channelState)) }

    package func writabilityChanged() { perform(machine.writabilityChanged(on: channelState)) }

    /// All octets are sent, or cannot be sent.
    package func flushed() { perform(machine.flushed(on: channelState)) }

    /// The peer sends no more.
    package func inputClosed() { perform(machine.inputClosed(on: channelState)) }

    package func failed(reason: String) {
        logger.debug("connection failed", metadata: ["reason": "\(reason)"])
        perform(machine.errorCaught(on: channelState))
    }

    package func timerExpired(_ timer: ConnectionTimer) {
        switch timer {
        case .quietPeriod: perform(machine.quietPeriodElapsed(on: channelState))
        case .closeDeadline: perform(machine.closeDeadlineExpired(on: channelState))
        case .lookupDeadline(let ticket): lookupDeadlineExpired(ticket)
        }
    }

    package func receive(_ message: ConnectionMessage) {
        switch message {
        case .lookupFinished(let ticket, let decision): lookupFinished(ticket, decision: decision)
        case .drain: perform(machine.drain(on: channelState))
        case .close: socket?.close()
        }
    }

    /// The socket is closed. No event follows.
    package func becameInactive() {
        machine.becameInactive()
        socket = nil
        let abandoned = lookups.values
        lookups = [:]
        for lookup in abandoned { _ = service.cancelWait(lookup.waiter) }
        connection.becomeClosed()
    }

    // MARK: Actions

    private var channelState: Machine.ChannelState {
        guard let socket else { return Machine.ChannelState(isWritable: false, now: .now()) }
        return Machine.ChannelState(isWritable: socket.isWritable, now: socket.now)
    }

    private func perform(_ first: Machine.Action?) {
        var next = first
        while let action = next {
            if let socket { perform(action, on: socket) }
            next = machine.actionPerformed(on: channelState)
        }
    }

    private func perform(_ action: Machine.Action, on socket: any ConnectionSocket) {
        switch action {
        case .answer(let request, let ticket): answer(request, ticket: ticket, on: socket)
        case .answerMalformed(let error, let ticket): answer(malformed: error, ticket: ticket, at: socket.now)
        case .writeReplies: writeReplies(to: socket)
        case .read: socket.read()
        case .scheduleQuietPeriod(let period): socket.setTimer(.quietPeriod, at: socket.now + period)
        case .scheduleClose(let deadline): socket.setTimer(.closeDeadline, at: deadline)
        case .awaitFlush: socket.awaitFlush()
        case .closeOutput: socket.closeOutput()
        case .close: socket.close()
        }
    }

    private func writeReplies(to socket: any ConnectionSocket) {
        guard let rendered = renderer.render(next: { machine.nextReply() }) else { return }
        socket.write(rendered)
        renderer.recycle(rendered)
        if lookups.isEmpty { connection.becomeIdle() }
    }

    // MARK: Ready replies

    /// Takes requests from the start of a read that can be answered at once, without the state machine.
    ///
    /// - Returns: their replies; `nil` if there is none.
    private func readyReplies(to octets: inout ByteBuffer, settings: LookupSettings) -> ByteBuffer? {
        guard machine.isIdle, shared.usesReadyReplies, let socket, socket.isWritable else { return nil }
        var output = renderer.takeBuffer()
        readyWriter.answer(&octets, dialect: settings.dialect, into: &output)
        guard output.readableBytes > 0 else {
            renderer.recycle(output)
            return nil
        }
        return output
    }

    private func write(ready replies: ByteBuffer) {
        machine.readyRepliesBegan()
        socket?.write(replies)
        renderer.recycle(replies)
        connection.becomeIdle()
        perform(machine.actionPerformed(on: channelState))
    }

    // MARK: Answers

    private func answer(_ request: TableRequest, ticket: ReplyTicket, on socket: any ConnectionSocket) {
        let since = readAt
        if let dialect = request.dialect { shared.noteChosen(dialect) }
        guard let nextHop = NextHop(key: request.key, services: machine.settings.services) else {
            log.write(request, reply: .notFound, rule: ReplyKind.notFound.ruleWithoutDecision, since: since)
            return reply(.notFound, to: request, ticket: ticket, decision: nil, since: since)
        }
        let destination = nextHop.destination
        if let (decision, hit) = service.hit(destination) {
            return reply(with: decision, to: request, about: destination, ticket: ticket, since: since, hit: hit)
        }
        let queue = connection.queue
        let lookup = service.lookup(destination) { queue.post(.lookupFinished(ticket, $0)) }
        switch lookup {
        case .decided(let decision):
            // The discovery has ended since the call of `hit(_:)`.
            reply(with: decision, to: request, about: destination, ticket: ticket, since: since)
        case .waiting(let waiter, let atMost):
            let deadline = machine.settings.deadline
            socket.setTimer(.lookupDeadline(ticket), at: socket.now + TimeAmount(min(atMost ?? deadline, deadline)))
            lookups[ticket] = PendingLookup(request: request, destination: destination, waiter: waiter, since: since)
            connection.becomeBusy()
        }
    }

    private func answer(malformed error: MalformedRequestError, ticket: ReplyTicket, at now: NIODeadline) {
        if let suppressed = shared.malformedRequests.admit(now: now) {
            logger.info("malformed request, closing", metadata: suppressed.merging(["reason": "\(error)"]) { $1 })
        }
        let reply = PendingReply(
            reply: .refused(TemporaryReason("\(error)")), dialect: machine.settings.dialect, rule: nil,
            deferral: .malformedRequest, since: .now())
        perform(machine.replyReady(reply, for: ticket, on: channelState))
    }

    private func lookupFinished(_ ticket: ReplyTicket, decision: Decision) {
        guard let lookup = lookups.removeValue(forKey: ticket) else { return }
        reply(with: decision, to: lookup.request, about: lookup.destination, ticket: ticket, since: lookup.since)
    }

    private func lookupDeadlineExpired(_ ticket: ReplyTicket) {
        // `nil`: the lookup has finished, and its call is on the way to this thread.
        guard let lookup = lookups[ticket], let decision = service.cancelWait(lookup.waiter) else { return }
        lookups[ticket] = nil
        reply(with: decision, to: lookup.request, about: lookup.destination, ticket: ticket, since: lookup.since)
    }

    private func reply(
        with decision: Decision, to request: TableRequest, about destination: Destination, ticket: ReplyTicket,
        since: NIODeadline, hit: PolicyService.Hit? = nil
    ) {
        let reply = TableReply(decision, for: destination.domain)
        service.noteLookup(destination, rule: decision.rule, reply: ReplyKind(reply).rawValue)
        log.write(request, domain: destination.domain, reply: reply, rule: decision.rule.rawValue, since: since)
        self.reply(reply, to: request, ticket: ticket, decision: decision, since: since, hit: hit)
    }

    /// - Parameter decision: `nil`: the reply takes no decision.
    private func reply(
        _ reply: TableReply, to request: TableRequest, ticket: ReplyTicket, decision: Decision?, since: NIODeadline,
        hit: PolicyService.Hit? = nil
    ) {
        let pending = PendingReply(
            reply: reply, dialect: request.dialect ?? machine.settings.dialect, rule: decision?.rule,
            deferral: decision.flatMap { DeferralReason($0, as: reply) }, since: since,
            repeatable: reply.isTemporary ? nil : hit.map { (request.key, $0) })
        perform(machine.replyReady(pending, for: ticket, on: channelState))
    }
}

/// Logs lookups.
private struct LookupLog {
    let logger: Logger

    func write(
        _ request: TableRequest, domain: PolicyDomain? = nil, reply: TableReply, rule: String, since: NIODeadline
    ) {
        if case .temporary(let reason) = reply {
            // Postfix does not log the reason of a tcp_table reply, so this line is the operator's only source.
            logger.notice(
                "mail deferred by temporary answer",
                metadata: Self.metadata(request, domain: domain, rule: rule).merging(["reason": "\(reason.text)"]) {
                    $1
                }
            )
        }
        logger.debug(
            "lookup",
            metadata: Self.metadata(request, domain: domain, rule: rule).merging([
                "reply": "\(ReplyKind(reply).rawValue)",
                "milliseconds": "\((NIODeadline.now() - since).nanoseconds / 1_000_000)",
            ]) { $1 })
    }

    private static func metadata(_ request: TableRequest, domain: PolicyDomain?, rule: String) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "key": "\(UntrustedText.escaped(request.key))", "rule": "\(rule)", "origin": "lookup",
        ]
        if let domain { metadata["domain"] = "\(domain)" }
        return metadata
    }
}

extension NextHop {
    /// The destination of a lookup. Policies depend on the domain; DANE also on the port and on whether Postfix makes an
    /// MX lookup.
    package var destination: Destination {
        Destination(domain: domain, port: port, isHost: isHost)
    }
}

extension TableReply {
    /// Each reply that defers mail is logged.
    fileprivate var isTemporary: Bool {
        if case .temporary = self { true } else { false }
    }
}

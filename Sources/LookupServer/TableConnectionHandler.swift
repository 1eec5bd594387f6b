import Discovery
import Logging
import MTASTS
import NIOCore
import PolicyService
import PostfixTable

/// One connection of a table client: requests in order, one reply each.
///
/// Protocol: socketmap_table(5) or tcp_table(5).
/// Concurrency: lives on one event loop; shares nothing with other connections but the policy service and the registry.
/// Limits: takes no further request while `maximumPending` replies are owed, or while the peer does not take what was
/// written; what is taken, decoded and rendered ahead is bounded.
/// Fails by: an error reply and the end of the connection; Postfix retries once and then defers the mail. A connection
/// that is idle is never closed from here.
/// Not here: what a policy means (PolicyService), how it is written for Postfix (PostfixTable).
package final class TableConnectionHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private struct Owed {
        let reply: TableReply
        let dialect: Dialect
        /// `nil`: nothing had to be decided.
        let rule: Decision.Rule?
        /// Why mail has to wait; `nil`: it has not.
        let cause: HoldingCause?
        let since: NIODeadline
    }

    private typealias Ticket = ReplyQueue<Owed>.Ticket

    /// A request whose discovery is under way.
    private struct Pending {
        let request: TableRequest
        let destination: DANEDestination
        let waiter: Waiter
        let since: NIODeadline
        let timer: Scheduled<Void>
    }

    private enum Phase {
        /// `peerHasFinished`: it sends no more; what it has sent is still answered.
        case serving(peerHasFinished: Bool)
        /// No more requests; close after the last reply. `rudely`: the peer may still be sending.
        case finishing(rudely: Bool)
        /// The last reply is said; what still comes in is thrown away until the peer closes, or time is up. Closing at
        /// once would reset the connection and could take the reply with it.
        case lingering
    }

    private let table: TableProtocol
    private let service: PolicyService
    private let state: LookupState
    /// As they were when this connection last read.
    private var settings: LookupSettings
    private let connection: Connection
    private let logger: Logger
    private var decoder: TableDecoder
    /// What was read and is not yet taken.
    private var input = ByteBuffer()
    private var replies = ReplyQueue<Owed>()
    private var pending: [Ticket: Pending] = [:]
    private var output = ByteBuffer()
    private var phase = Phase.serving(peerHasFinished: false)
    private var holdsRead = false
    /// Whether a request has come since the last look at a connection that is to end.
    private var wasAsked = true
    private var context: ChannelHandlerContext?

    package init(
        _ table: TableProtocol, service: PolicyService, state: LookupState, connection: Connection, logger: Logger
    ) {
        self.table = table
        self.service = service
        self.state = state
        settings = state.settings
        self.connection = connection
        self.logger = logger
        decoder = TableDecoder(table)
    }

    // MARK: Life

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    package func channelInactive(context: ChannelHandlerContext) {
        for pending in pending.values {
            pending.timer.cancel()
            _ = service.giveUp(pending.waiter)
        }
        pending.removeAll()
        self.context = nil
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("connection failed", metadata: ["reason": "\(error)"])
        context.close(promise: nil)
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ConnectionEvent.drain:
            leave(looks: Self.looksAtLeaving)
        case ChannelEvent.inputClosed:
            switch phase {
            case .serving: phase = .serving(peerHasFinished: true)
            case .finishing: break
            case .lingering: return context.close(promise: nil)
            }
            proceed()
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    // MARK: Requests

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .serving = phase else { return }
        settings = state.settings
        var buffer = unwrapInboundIn(data)
        if input.readableBytes == 0 { input = buffer } else { input.writeBuffer(&buffer) }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        proceed()
        context.fireChannelReadComplete()
    }

    /// Takes requests and writes replies for as long as both go on, then reads on or ends.
    private func proceed() {
        guard let context else { return }
        while takeRequests(context), writeReplies(context) {}
        _ = writeReplies(context)
        if holdsRead, mayTake(context) {
            holdsRead = false
            context.read()
        }
        endIfDone()
    }

    /// - Returns: whether there may be more to take once replies have been written.
    private func takeRequests(_ context: ChannelHandlerContext) -> Bool {
        do {
            while case .serving(let peerHasFinished) = phase {
                guard mayTake(context) else { return true }
                guard let request = try decoder.decode(buffer: &input) else {
                    input.discardReadBytes()
                    if peerHasFinished { finish(rudely: false) }
                    return false
                }
                answer(request)
            }
        } catch {
            refuse(error as? MalformedRequest ?? .frame("\(error)"))
        }
        return false
    }

    /// One read may hold thousands of requests: they are taken as replies leave, not all at once.
    private func mayTake(_ context: ChannelHandlerContext) -> Bool {
        replies.count < settings.maximumPending && context.channel.isWritable
    }

    private func answer(_ request: TableRequest) {
        wasAsked = true
        let since = NIODeadline.now()
        if let dialect = request.dialect { state.chosen(dialect) }
        guard let nextHop = NextHop(key: request.key) else {
            log(request, nil, .notFound, rule: ReplyWord.notFound.ruleWithoutDecision, since: since)
            return owe(.notFound, to: request, by: nil, since: since, ticket: replies.open())
        }
        let ticket = replies.open()
        let destination = nextHop.destination
        if let decision = service.decision(for: destination) {
            return settle(request, destination, ticket, decision, since: since)
        }
        guard let context else { return }
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        let lookup = service.lookup(destination) { decision in
            eventLoop.execute { handler.value.landed(ticket, decision) }
        }
        switch lookup {
        case .decided(let decision):
            // It has landed since the question above.
            settle(request, destination, ticket, decision, since: since)
        case .waiting(let waiter, let atMost):
            let patience = min(atMost ?? settings.deadline, settings.deadline)
            let timer = eventLoop.scheduleTask(in: TimeAmount(patience)) { handler.value.timeIsUp(ticket) }
            pending[ticket] = Pending(
                request: request, destination: destination, waiter: waiter, since: since, timer: timer)
            connection.becomeBusy()
        }
    }

    private func refuse(_ malformed: MalformedRequest) {
        logger.info("malformed request, closing", metadata: ["reason": "\(malformed)"])
        let owed = Owed(
            reply: .refused(Reason("\(malformed)")), dialect: settings.dialect, rule: nil, cause: .malformedRequest,
            since: .now())
        replies.fulfil(replies.open(), with: owed)
        finish(rudely: true)
    }

    // MARK: Answers that came later

    private func landed(_ ticket: Ticket, _ decision: Decision) {
        guard let waited = pending.removeValue(forKey: ticket) else { return }
        waited.timer.cancel()
        settle(waited.request, waited.destination, ticket, decision, since: waited.since)
        proceed()
    }

    private func timeIsUp(_ ticket: Ticket) {
        // `nil`: the landing was quicker, its call is on its way to this event loop.
        guard let waited = pending[ticket], let decision = service.giveUp(waited.waiter) else {
            return
        }
        pending[ticket] = nil
        settle(waited.request, waited.destination, ticket, decision, since: waited.since)
        proceed()
    }

    private func settle(
        _ request: TableRequest, _ destination: DANEDestination, _ ticket: Ticket, _ decision: Decision,
        since: NIODeadline
    ) {
        let reply = TableReply(decision, for: destination.domain)
        service.noteLookup(destination, decision.rule, reply: ReplyWord(reply).rawValue)
        log(request, destination.domain, reply, rule: decision.rule.rawValue, since: since)
        owe(reply, to: request, by: decision, since: since, ticket: ticket)
    }

    // MARK: Replies

    /// - Parameter decision: `nil`: nothing had to be decided.
    private func owe(
        _ reply: TableReply, to request: TableRequest, by decision: Decision?, since: NIODeadline, ticket: Ticket
    ) {
        let owed = Owed(
            reply: reply, dialect: request.dialect ?? settings.dialect, rule: decision?.rule,
            cause: decision.flatMap { HoldingCause($0, as: reply) }, since: since)
        replies.fulfil(ticket, with: owed)
    }

    /// Writes what is in order, as far as the peer takes it.
    ///
    /// - Returns: whether anything was written.
    private func writeReplies(_ context: ChannelHandlerContext) -> Bool {
        var hasWritten = false
        while context.channel.isWritable, renderReplies() {
            context.writeAndFlush(wrapOutboundOut(output), promise: nil)
            hasWritten = true
            // A long reply's room is not kept for the connection's life.
            if output.capacity > Self.renderedAtOnce { output = ByteBuffer() } else { output.clear() }
        }
        if hasWritten, pending.isEmpty { connection.becomeIdle() }
        return hasWritten
    }

    private func renderReplies() -> Bool {
        while output.readableBytes < Self.renderedAtOnce, let owed = replies.next() {
            let fit = table.encode(owed.reply, dialect: owed.dialect, into: &output)
            if case .entry(.secure(let match)) = owed.reply { state.cut(match.domain, fit, table) }
            count(owed, fit)
        }
        return output.readableBytes > 0
    }

    private func count(_ owed: Owed, _ fit: ReplyFit) {
        state.metrics.count(
            table, rule: owed.rule, fit == .tooLong ? .temporary : ReplyWord(owed.reply),
            cause: fit == .tooLong ? .tooLong : owed.cause, nanoseconds: (NIODeadline.now() - owed.since).nanoseconds)
    }

    /// Octets: many short replies go out in one write, long ones one by one.
    private static let renderedAtOnce = 65_536

    private func log(
        _ request: TableRequest, _ domain: PolicyDomain?, _ reply: TableReply, rule: String, since: NIODeadline
    ) {
        if case .temporary(let reason) = reply {
            // Over tcp_table Postfix does not log the reason, so this is where the operator finds it.
            logger.notice(
                "mail deferred by temporary answer",
                metadata: Self.facts(request, domain, rule: rule).merging(["reason": "\(reason.text)"]) { $1 })
        }
        logger.debug(
            "lookup",
            metadata: Self.facts(request, domain, rule: rule).merging([
                "reply": "\(ReplyWord(reply).rawValue)",
                "milliseconds": "\((NIODeadline.now() - since).nanoseconds / 1_000_000)",
            ]) { $1 })
    }

    private static func facts(_ request: TableRequest, _ domain: PolicyDomain?, rule: String) -> Logger.Metadata {
        var facts: Logger.Metadata = [
            "key": "\(RemoteText.escaped(request.key))", "rule": "\(rule)", "origin": "lookup",
        ]
        if let domain { facts["domain"] = "\(domain)" }
        return facts
    }

    // MARK: Reading and ending

    package func read(context: ChannelHandlerContext) {
        if mayTake(context) { context.read() } else { holdsRead = true }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        proceed()
        context.fireChannelWritabilityChanged()
    }

    /// Ends when nothing was asked for a while: what Postfix sends before it can know of the end is answered too, on a
    /// connection that was just accepted as well. One that is never silent ends all the same.
    private func leave(looks: Int) {
        guard case .serving = phase, let context else { return }
        guard looks > 0, wasAsked else {
            finish(rudely: false)
            return proceed()
        }
        wasAsked = false
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.silence) { handler.value.leave(looks: looks - 1) }
    }

    /// Between two requests of one delivery Postfix takes some milliseconds.
    private static let silence = TimeAmount.milliseconds(50)
    private static let looksAtLeaving = 20

    /// Takes no more requests; the end comes after the last reply, or when the peer has had its time to take it.
    private func finish(rudely: Bool) {
        guard case .serving = phase, let context else { return }
        phase = .finishing(rudely: rudely)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: TimeAmount(settings.deadline + settings.lingering)) {
            bound.value.close(promise: nil)
        }
    }

    private func endIfDone() {
        guard case .finishing(let rudely) = phase, replies.isEmpty, let context else { return }
        phase = .lingering
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: TimeAmount(settings.lingering)) { bound.value.close(promise: nil) }
        if rudely {
            context.close(mode: .output, promise: nil)
        } else {
            // Behind whatever is still on its way to the peer.
            context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
                context.close(promise: nil)
            }
        }
    }
}

extension NextHop {
    /// What is asked about it: policies go by domain, DANE findings by domain, port and whether there is an MX lookup.
    package var destination: DANEDestination {
        DANEDestination(domain: domain, port: port ?? 25, isHost: isHost)
    }
}

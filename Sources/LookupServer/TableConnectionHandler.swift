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
/// The channel calls back from within `writeAndFlush`, `read` and `close`. So all writing happens in `advance`, which
/// never runs inside itself, and every call to the channel comes after the change of state that belongs to it.
/// Limits: takes no further request while `maximumPending` replies are owed, or while the peer does not take what was
/// written; what is taken, decoded and rendered ahead is bounded.
/// Fails by: an error reply and the end of the connection; Postfix retries once and then defers the mail. A connection
/// that is idle is never closed from here.
/// Memory: a timer keeps the handler, its context and the channel alive. So no timer outlives the connection, and none is
/// scheduled when there is nothing to wait for.
/// Not here: what a policy means (PolicyService), how it is written for Postfix (PostfixTable).
package final class TableConnectionHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private typealias Ticket = ReplyQueue<PendingReply>.Ticket

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
        /// The channel has the last reply and has not sent all of it yet.
        case flushing(rudely: Bool)
        /// The last reply is sent; what still comes in is thrown away until the peer closes, or time is up. Closing at
        /// once would reset the connection and could take the reply with it.
        case lingering
        /// The channel is closed, or about to be: nothing is decided or written any more.
        case closed
    }

    /// Closes the connection when the peer has had its time.
    private struct Limit {
        let deadline: NIODeadline
        let timer: Scheduled<Void>
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
    private var replies = ReplyQueue<PendingReply>()
    private var renderer: ReplyRenderer
    private var pending: [Ticket: Pending] = [:]
    private var reentry = ReentryGuard()
    private var phase = Phase.serving(peerHasFinished: false)
    private var holdsRead = false
    /// Whether a request has come since the last look at a connection that is to end.
    private var wasAsked = true
    private var limit: Limit?
    /// Looks again whether a connection that is to end is quiet.
    private var nextLook: Scheduled<Void>?
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
        renderer = ReplyRenderer(table, state: state)
    }

    // MARK: Life

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    package func channelInactive(context: ChannelHandlerContext) {
        phase = .closed
        self.context = nil
        limit?.timer.cancel()
        limit = nil
        nextLook?.cancel()
        nextLook = nil
        let abandoned = pending.values
        pending = [:]
        for lookup in abandoned {
            lookup.timer.cancel()
            _ = service.giveUp(lookup.waiter)
        }
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
            // It sends no more, so that closing resets nothing. It may still read its replies.
            case .finishing: phase = .finishing(rudely: false)
            case .flushing: phase = .flushing(rudely: false)
            case .lingering: return context.close(promise: nil)
            case .closed: return
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

    /// Advances the connection. A call from within `advance` makes that one run once more after it has ended.
    private func proceed() {
        guard reentry.enter() else { return }
        repeat { advance() } while reentry.leave()
    }

    /// Takes requests and writes replies for as long as both go on, then reads on or ends.
    private func advance() {
        while takeRequests(), writeReplies() {}
        _ = writeReplies()
        if holdsRead, let context, mayTake(context) {
            holdsRead = false
            context.read()
        }
        endIfDone()
    }

    /// - Returns: whether there may be more to take once replies have been written.
    private func takeRequests() -> Bool {
        do {
            while case .serving(let peerHasFinished) = phase, let context {
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
        guard let nextHop = NextHop(key: request.key, services: settings.services) else {
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
        if let suppressed = state.malformedRequests.admit() {
            logger.info(
                "malformed request, closing", metadata: suppressed.merging(["reason": "\(malformed)"]) { $1 })
        }
        let owed = PendingReply(
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
        let owed = PendingReply(
            reply: reply, dialect: request.dialect ?? settings.dialect, rule: decision?.rule,
            cause: decision.flatMap { HoldingCause($0, as: reply) }, since: since)
        replies.fulfil(ticket, with: owed)
    }

    /// Writes the replies that are next in order, while the channel is writable.
    ///
    /// - Returns: whether anything was written.
    private func writeReplies() -> Bool {
        var hasWritten = false
        while let context, context.channel.isWritable, let rendered = renderer.render(&replies) {
            hasWritten = true
            context.writeAndFlush(wrapOutboundOut(rendered), promise: nil)
            renderer.recycle(rendered)
        }
        if hasWritten, pending.isEmpty { connection.becomeIdle() }
        return hasWritten
    }

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
        nextLook = context.eventLoop.scheduleTask(in: Self.silence) { handler.value.leave(looks: looks - 1) }
    }

    /// Between two requests of one delivery Postfix takes some milliseconds.
    private static let silence = TimeAmount.milliseconds(50)
    private static let looksAtLeaving = 20

    /// Takes no more requests; the end comes after the last reply, or when the peer has had its time to take it.
    private func finish(rudely: Bool) {
        guard case .serving(let peerHasFinished) = phase else { return }
        phase = .finishing(rudely: rudely && !peerHasFinished)
        if !replies.isEmpty { closeLatest(in: settings.deadline + settings.lingering) }
    }

    private func endIfDone() {
        guard case .finishing(let rudely) = phase, replies.isEmpty, let context else { return }
        phase = .flushing(rudely: rudely)
        // Behind all replies that the channel has not sent yet: closing before would take them from the peer.
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in self.end() }
        if case .flushing = phase { closeLatest(in: settings.lingering) }
    }

    /// All replies are sent.
    private func end() {
        guard case .flushing(let rudely) = phase, let context else { return }
        if rudely {
            phase = .lingering
            closeLatest(in: settings.lingering)
            context.close(mode: .output, promise: nil)
        } else {
            phase = .closed
            context.close(promise: nil)
        }
    }

    /// Closes the connection after `time`, or earlier if it is already to be closed earlier.
    private func closeLatest(in time: Duration) {
        guard let context else { return }
        let deadline = context.eventLoop.now + TimeAmount(time)
        if let limit, limit.deadline <= deadline { return }
        limit?.timer.cancel()
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        limit = Limit(
            deadline: deadline,
            timer: context.eventLoop.scheduleTask(deadline: deadline) { bound.value.close(promise: nil) })
    }
}

extension NextHop {
    /// What is asked about it: policies go by domain, DANE findings by domain, port and whether there is an MX lookup.
    package var destination: DANEDestination {
        DANEDestination(domain: domain, port: port, isHost: isHost)
    }
}

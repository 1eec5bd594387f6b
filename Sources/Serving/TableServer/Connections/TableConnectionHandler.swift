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
/// Concurrency: lives on one event loop. Shares only the policy service, the registry and `ConnectionContext` with other
/// connections. The state machine makes callbacks from within `writeAndFlush`, `read` and `close` safe.
/// Limits: a timer keeps the handler, its context and the channel in memory. So each timer is cancelled when the
/// connection closes, and none is set while there is nothing to wait for.
/// Errors: an error reply, then the end of the connection; Postfix retries once and then defers the mail. The handler
/// never closes an idle connection.
/// Not here: when to take, write and close (TableConnectionStateMachine), the meaning of a policy (PolicyService), its
/// form for Postfix (PostfixTable).
package final class TableConnectionHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private typealias Machine = TableConnectionStateMachine<PendingReply>

    /// A request that waits for its discovery.
    private struct PendingLookup {
        let request: TableRequest
        let destination: Destination
        let waiter: Waiter
        let since: NIODeadline
        let timer: Scheduled<Void>
    }

    private let service: PolicyService
    private let shared: ConnectionContext
    private let connection: Connection
    private let log: LookupLog
    private let logger: Logger
    private var machine: Machine
    private var renderer: ReplyRenderer
    private var lookups: [Machine.Ticket: PendingLookup] = [:]
    private var closeTimer: Scheduled<Void>?
    private var quietTimer: Scheduled<Void>?
    /// `nil` before the handler is added and after the connection is closed.
    private var context: ChannelHandlerContext?

    package init(
        _ table: TableProtocol, service: PolicyService, shared: ConnectionContext, connection: Connection,
        logger: Logger
    ) {
        self.service = service
        self.shared = shared
        self.connection = connection
        self.logger = logger
        log = LookupLog(logger: logger)
        machine = Machine(table, settings: shared.settings)
        renderer = ReplyRenderer(table, shared: shared)
    }

    // MARK: Events of the channel

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        machine.received(unwrapInboundIn(data), settings: shared.settings)
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        perform(machine.readCompleted(on: channelState))
        context.fireChannelReadComplete()
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        perform(machine.writabilityChanged(on: channelState))
        context.fireChannelWritabilityChanged()
    }

    package func read(context: ChannelHandlerContext) {
        perform(machine.readRequested(on: channelState))
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ConnectionEvent.drain: perform(machine.drain(on: channelState))
        case ChannelEvent.inputClosed: perform(machine.inputClosed(on: channelState))
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("connection failed", metadata: ["reason": "\(error)"])
        perform(machine.errorCaught(on: channelState))
    }

    package func channelInactive(context: ChannelHandlerContext) {
        machine.becameInactive()
        self.context = nil
        closeTimer?.cancel()
        closeTimer = nil
        quietTimer?.cancel()
        quietTimer = nil
        let abandoned = lookups.values
        lookups = [:]
        for lookup in abandoned {
            lookup.timer.cancel()
            _ = service.cancelWait(lookup.waiter)
        }
        context.fireChannelInactive()
    }

    // MARK: Actions

    private var channelState: Machine.ChannelState {
        guard let context else { return Machine.ChannelState(isWritable: false, now: .now()) }
        return Machine.ChannelState(isWritable: context.channel.isWritable, now: context.eventLoop.now)
    }

    private func perform(_ first: Machine.Action?) {
        var next = first
        while let action = next {
            if let context { perform(action, in: context) }
            next = machine.actionPerformed(on: channelState)
        }
    }

    private func perform(_ action: Machine.Action, in context: ChannelHandlerContext) {
        switch action {
        case .answer(let request, let ticket): answer(request, ticket: ticket, in: context)
        case .answerMalformed(let error, let ticket): answer(malformed: error, ticket: ticket)
        case .writeReplies: writeReplies(in: context)
        case .read: context.read()
        case .scheduleQuietPeriod(let period): scheduleQuietPeriod(period, in: context)
        case .scheduleClose(let deadline): scheduleClose(at: deadline, in: context)
        case .awaitFlush:
            // The promise of an empty write succeeds after the octets before it are sent.
            context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
                self.perform(self.machine.flushed(on: self.channelState))
            }
        case .closeOutput: context.close(mode: .output, promise: nil)
        case .close: context.close(promise: nil)
        }
    }

    private func writeReplies(in context: ChannelHandlerContext) {
        guard let rendered = renderer.render(next: { machine.nextReply() }) else { return }
        context.writeAndFlush(wrapOutboundOut(rendered), promise: nil)
        renderer.recycle(rendered)
        if lookups.isEmpty { connection.becomeIdle() }
    }

    private func scheduleQuietPeriod(_ period: TimeAmount, in context: ChannelHandlerContext) {
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        quietTimer = context.eventLoop.scheduleTask(in: period) {
            let handler = handler.value
            handler.perform(handler.machine.quietPeriodElapsed(on: handler.channelState))
        }
    }

    private func scheduleClose(at deadline: NIODeadline, in context: ChannelHandlerContext) {
        closeTimer?.cancel()
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        closeTimer = context.eventLoop.scheduleTask(deadline: deadline) {
            let handler = handler.value
            handler.perform(handler.machine.closeDeadlineExpired(on: handler.channelState))
        }
    }

    // MARK: Answers

    private func answer(_ request: TableRequest, ticket: Machine.Ticket, in context: ChannelHandlerContext) {
        let since = NIODeadline.now()
        if let dialect = request.dialect { shared.noteChosen(dialect) }
        guard let nextHop = NextHop(key: request.key, services: machine.settings.services) else {
            log.write(request, reply: .notFound, rule: ReplyKind.notFound.ruleWithoutDecision, since: since)
            return reply(.notFound, to: request, ticket: ticket, decision: nil, since: since)
        }
        let destination = nextHop.destination
        if let decision = service.decision(for: destination) {
            return reply(with: decision, to: request, about: destination, ticket: ticket, since: since)
        }
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        let lookup = service.lookup(destination) { decision in
            eventLoop.execute { handler.value.lookupFinished(ticket, decision: decision) }
        }
        switch lookup {
        case .decided(let decision):
            // The discovery has ended since the call of `decision(for:)`.
            reply(with: decision, to: request, about: destination, ticket: ticket, since: since)
        case .waiting(let waiter, let atMost):
            let deadline = machine.settings.deadline
            let timer = eventLoop.scheduleTask(in: TimeAmount(min(atMost ?? deadline, deadline))) {
                handler.value.lookupDeadlineExpired(ticket)
            }
            lookups[ticket] = PendingLookup(
                request: request, destination: destination, waiter: waiter, since: since, timer: timer)
            connection.becomeBusy()
        }
    }

    private func answer(malformed error: MalformedRequestError, ticket: Machine.Ticket) {
        if let suppressed = shared.malformedRequests.admit() {
            logger.info("malformed request, closing", metadata: suppressed.merging(["reason": "\(error)"]) { $1 })
        }
        let reply = PendingReply(
            reply: .refused(TemporaryReason("\(error)")), dialect: machine.settings.dialect, rule: nil,
            deferral: .malformedRequest, since: .now())
        perform(machine.replyReady(reply, for: ticket, on: channelState))
    }

    private func lookupFinished(_ ticket: Machine.Ticket, decision: Decision) {
        guard let lookup = lookups.removeValue(forKey: ticket) else { return }
        lookup.timer.cancel()
        reply(with: decision, to: lookup.request, about: lookup.destination, ticket: ticket, since: lookup.since)
    }

    private func lookupDeadlineExpired(_ ticket: Machine.Ticket) {
        // `nil`: the lookup has finished, and its call is on the way to this event loop.
        guard let lookup = lookups[ticket], let decision = service.cancelWait(lookup.waiter) else { return }
        lookups[ticket] = nil
        reply(with: decision, to: lookup.request, about: lookup.destination, ticket: ticket, since: lookup.since)
    }

    private func reply(
        with decision: Decision, to request: TableRequest, about destination: Destination, ticket: Machine.Ticket,
        since: NIODeadline
    ) {
        let reply = TableReply(decision, for: destination.domain)
        service.noteLookup(destination, rule: decision.rule, reply: ReplyKind(reply).rawValue)
        log.write(request, domain: destination.domain, reply: reply, rule: decision.rule.rawValue, since: since)
        self.reply(reply, to: request, ticket: ticket, decision: decision, since: since)
    }

    /// - Parameter decision: `nil`: the reply takes no decision.
    private func reply(
        _ reply: TableReply, to request: TableRequest, ticket: Machine.Ticket, decision: Decision?, since: NIODeadline
    ) {
        let pending = PendingReply(
            reply: reply, dialect: request.dialect ?? machine.settings.dialect, rule: decision?.rule,
            deferral: decision.flatMap { DeferralReason($0, as: reply) }, since: since)
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

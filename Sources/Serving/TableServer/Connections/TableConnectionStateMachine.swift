import NIOCore
import PostfixTable

/// The state of one connection of a table client, without its channel.
///
/// Each event is one method, which returns the next action. The owner performs the action and calls `actionPerformed`,
/// until that returns `nil`. An event that arrives while an action is performed returns `nil`, and `actionPerformed`
/// returns what follows from it. So the owner never writes from within a write, even if the channel calls it back.
///
/// Protocol: socketmap_table(5) or tcp_table(5), pipelined: one reply for each request, in the order of the requests.
/// Concurrency: a value; belongs to one connection.
/// Limits: takes no request while `maximumPending` replies are pending or the channel is not writable.
/// Errors: a malformed request is the last one; the connection ends after its error reply.
/// Not here: the channel and the timers (TableConnection), the content of a reply (PolicyService).
struct TableConnectionStateMachine<Reply> {
    /// The facts about the channel that decide what comes next.
    struct ChannelState: Equatable {
        /// `false` after the channel is closed.
        var isWritable: Bool
        var now: NIODeadline
    }

    enum Action: Equatable {
        /// Find the reply to this request, and pass it to `replyReady`, now or later.
        case answer(TableRequest, ReplyTicket)
        /// Pass an error reply to `replyReady` now. No request follows.
        case answerMalformed(MalformedRequestError, ReplyTicket)
        /// Write and flush the replies that `nextReply` returns, at least one of them.
        case writeReplies
        /// Read from the channel.
        case read
        /// Send `quietPeriodElapsed` after this time.
        case scheduleQuietPeriod(TimeAmount)
        /// Send `closeDeadlineExpired` at this time. It replaces an earlier request.
        case scheduleClose(at: NIODeadline)
        /// Send `flushed` when the channel has sent all replies.
        case awaitFlush
        /// Close the sending direction.
        case closeOutput
        case close
    }

    private enum Phase {
        /// `peerHasFinished`: the peer sends no more. Its requests so far are still answered.
        case serving(peerHasFinished: Bool)
        /// No more requests; the connection ends after the last reply.
        case finishing(peerMaySend: Bool)
        /// The channel has the last reply, and has not sent all of it yet.
        case flushing(peerMaySend: Bool)
        /// The last reply is sent. Input is discarded until the peer closes or the time is up. To close at once would
        /// reset the connection, and the peer could lose the reply.
        case lingering(isOutputOpen: Bool)
        /// The next action closes the channel.
        case closing
        case closed
    }

    /// The settings at the last read.
    private(set) var settings: LookupSettings
    private var decoder: TableDecoder
    /// Octets that are read and not decoded.
    private var input = ByteBuffer()
    /// The decoder needs more octets.
    private var needsInput = true
    private var replies = ReplyQueue<Reply>()
    private var phase = Phase.serving(peerHasFinished: false)
    private var reentry = ReentryGuard()
    /// The channel asked to read, and has to wait.
    private var isReadPending = false
    private var draining = Drain()
    private var closeDeadline: NIODeadline?
    /// No action has returned the current `closeDeadline` yet.
    private var isCloseDeadlineNew = false

    init(_ table: TableProtocol, settings: LookupSettings) {
        decoder = TableDecoder(table)
        self.settings = settings
    }

    /// Whether it serves and nothing is pending: no octet, no reply and no action.
    var isIdle: Bool {
        guard case .serving = phase else { return false }
        return input.readableBytes == 0 && replies.isEmpty && reentry.isIdle
    }

    // MARK: Events

    /// The channel has read octets. `readCompleted` follows.
    mutating func received(_ octets: ByteBuffer, settings: LookupSettings) {
        guard case .serving = phase else { return }
        self.settings = settings
        guard octets.readableBytes > 0 else { return }
        needsInput = false
        var octets = octets
        if input.readableBytes == 0 { input = octets } else { input.writeBuffer(&octets) }
    }

    /// The owner writes replies that it had ready, as if an action had asked for it. `actionPerformed` follows.
    mutating func readyRepliesBegan() {
        draining.sawRequest = true
        _ = reentry.enter()
    }

    mutating func readCompleted(on channel: ChannelState) -> Action? { next(on: channel) }

    mutating func writabilityChanged(on channel: ChannelState) -> Action? { next(on: channel) }

    /// The channel asks to read more.
    mutating func readRequested(on channel: ChannelState) -> Action? {
        isReadPending = true
        return next(on: channel)
    }

    /// A reply to an earlier `answer` or `answerMalformed`. A second reply to the same request is ignored.
    mutating func replyReady(_ reply: Reply, for ticket: ReplyTicket, on channel: ChannelState) -> Action? {
        replies.fulfil(ticket, with: reply)
        return next(on: channel)
    }

    /// The peer sends no more. It may still read its replies. To close the channel does not reset the connection any more.
    mutating func inputClosed(on channel: ChannelState) -> Action? {
        switch phase {
        case .serving:
            phase = .serving(peerHasFinished: true)
            needsInput = false
        case .finishing: phase = .finishing(peerMaySend: false)
        case .flushing: phase = .flushing(peerMaySend: false)
        case .lingering: phase = .closing
        case .closing, .closed: break
        }
        return next(on: channel)
    }

    /// The server stops. The connection ends after a quiet period, so that requests are answered that Postfix sends before
    /// it can know of the stop, on a new connection too. A connection that is never quiet ends after `Drain.attempts`.
    mutating func drain(on channel: ChannelState) -> Action? {
        if draining.attemptsLeft == nil {
            draining.attemptsLeft = Drain.attempts
            tryToDrain(on: channel)
        }
        return next(on: channel)
    }

    /// The timer of `scheduleQuietPeriod` has fired.
    mutating func quietPeriodElapsed(on channel: ChannelState) -> Action? {
        tryToDrain(on: channel)
        return next(on: channel)
    }

    /// The timer of `scheduleClose` has fired: the peer had its time to take the replies.
    mutating func closeDeadlineExpired(on channel: ChannelState) -> Action? { close(on: channel) }

    /// The channel has sent all replies, or has failed to.
    mutating func flushed(on channel: ChannelState) -> Action? {
        if case .flushing(let peerMaySend) = phase {
            phase = peerMaySend ? .lingering(isOutputOpen: true) : .closing
            if peerMaySend { closeNoLater(than: channel.now + TimeAmount(settings.lingering)) }
        }
        return next(on: channel)
    }

    mutating func errorCaught(on channel: ChannelState) -> Action? { close(on: channel) }

    /// The channel is closed. Nothing follows.
    mutating func becameInactive() { phase = .closed }

    /// The owner has performed the last action.
    mutating func actionPerformed(on channel: ChannelState) -> Action? {
        repeat {
            if let action = chooseAction(on: channel) { return action }
        } while reentry.leave()
        return nil
    }

    /// The next reply in order, if it is known. For `writeReplies`.
    mutating func nextReply() -> Reply? { replies.next() }

    // MARK: Choice of the next action

    private mutating func next(on channel: ChannelState) -> Action? {
        reentry.enter() ? actionPerformed(on: channel) : nil
    }

    private mutating func chooseAction(on channel: ChannelState) -> Action? {
        switch phase {
        case .closing:
            phase = .closed
            return .close
        case .closed: return nil
        case .serving, .finishing, .flushing, .lingering: break
        }
        if let action = takeRequest(on: channel) ?? takeTimer() { return action }
        if channel.isWritable, replies.isNextKnown { return .writeReplies }
        if isReadPending, mayTake(on: channel) {
            isReadPending = false
            return .read
        }
        return end(on: channel)
    }

    /// One read may hold thousands of requests. They are taken as replies leave, not all at once.
    private func mayTake(on channel: ChannelState) -> Bool {
        replies.count < settings.maximumPending && channel.isWritable
    }

    private mutating func takeRequest(on channel: ChannelState) -> Action? {
        guard case .serving(let peerHasFinished) = phase, !needsInput, mayTake(on: channel) else { return nil }
        do {
            if let request = try decoder.decode(buffer: &input) {
                draining.sawRequest = true
                return .answer(request, replies.open())
            }
        } catch {
            let ticket = replies.open()
            shutDown(afterProtocolError: true, on: channel)
            return .answerMalformed(error as? MalformedRequestError ?? .frame("\(error)"), ticket)
        }
        needsInput = true
        // Returns the memory of the read to the socket.
        input = input.readableBytes == 0 ? ByteBuffer() : ByteBuffer(bytes: input.readableBytesView)
        if peerHasFinished { shutDown(afterProtocolError: false, on: channel) }
        return nil
    }

    private mutating func takeTimer() -> Action? {
        if draining.isQuietPeriodDue {
            draining.isQuietPeriodDue = false
            return .scheduleQuietPeriod(Drain.quietPeriod)
        }
        guard isCloseDeadlineNew, let closeDeadline else { return nil }
        isCloseDeadlineNew = false
        return .scheduleClose(at: closeDeadline)
    }

    // MARK: End of the connection

    private mutating func tryToDrain(on channel: ChannelState) {
        guard case .serving = phase, let attemptsLeft = draining.attemptsLeft else { return }
        guard attemptsLeft > 0, draining.sawRequest else { return shutDown(afterProtocolError: false, on: channel) }
        draining = Drain(attemptsLeft: attemptsLeft - 1, sawRequest: false, isQuietPeriodDue: true)
    }

    /// Takes no more requests. The end comes after the last reply, or when the peer had its time to take it.
    private mutating func shutDown(afterProtocolError: Bool, on channel: ChannelState) {
        guard case .serving(let peerHasFinished) = phase else { return }
        phase = .finishing(peerMaySend: afterProtocolError && !peerHasFinished)
        guard !replies.isEmpty else { return }
        closeNoLater(than: channel.now + TimeAmount(settings.deadline + settings.lingering))
    }

    private mutating func end(on channel: ChannelState) -> Action? {
        switch phase {
        case .finishing(let peerMaySend) where replies.isEmpty:
            phase = .flushing(peerMaySend: peerMaySend)
            closeNoLater(than: channel.now + TimeAmount(settings.lingering))
            return .awaitFlush
        case .lingering(isOutputOpen: true):
            phase = .lingering(isOutputOpen: false)
            return .closeOutput
        case .serving, .finishing, .flushing, .lingering, .closing, .closed: return nil
        }
    }

    private mutating func closeNoLater(than deadline: NIODeadline) {
        if let closeDeadline, closeDeadline <= deadline { return }
        closeDeadline = deadline
        isCloseDeadlineNew = true
    }

    private mutating func close(on channel: ChannelState) -> Action? {
        if case .closed = phase { return nil }
        phase = .closing
        return next(on: channel)
    }

    /// The progress of a drain.
    private struct Drain {
        static var attempts: Int { 20 }
        /// Between two requests of one delivery Postfix takes some milliseconds.
        static var quietPeriod: TimeAmount { .milliseconds(50) }

        /// `nil`: the server does not stop.
        var attemptsLeft: Int?
        /// A request came since the last attempt. A new connection counts as one.
        var sawRequest = true
        var isQuietPeriodDue = false
    }
}

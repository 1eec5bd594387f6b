import NIOCore
import PolicyService
import PostfixTable

/// A reply that waits to be written, and what is counted when it is.
struct PendingReply {
    let reply: TableReply
    let dialect: Dialect
    /// `nil`: nothing had to be decided.
    let rule: Decision.Rule?
    /// Why mail has to wait; `nil`: it has not.
    let cause: HoldingCause?
    /// When the request was read.
    let since: NIODeadline
}

/// Renders replies in their order into buffers. A rendered buffer belongs to the caller: the renderer keeps none of its
/// octets, so that no octet can be written twice, whatever the channel does within a write.
///
/// Concurrency: a value; belongs to one connection.
/// Limits: a buffer takes no further reply at 65,536 octets, so it holds less than 65,536 and the longest reply.
struct ReplyRenderer {
    private let table: TableProtocol
    private let state: LookupState
    private var storage = BufferStorage(maximumCapacity: fullAt)

    /// Octets: many short replies go out in one write, long ones one by one.
    private static let fullAt = 65_536

    init(_ table: TableProtocol, state: LookupState) {
        self.table = table
        self.state = state
    }

    /// Takes the replies that are next in order and known.
    ///
    /// - Returns: their octets; `nil` if there is none.
    mutating func render(_ replies: inout ReplyQueue<PendingReply>) -> ByteBuffer? {
        guard var next = replies.next() else { return nil }
        var output = storage.take()
        while true {
            render(next, into: &output)
            guard output.readableBytes < Self.fullAt, let further = replies.next() else { return output }
            next = further
        }
    }

    private func render(_ pending: PendingReply, into output: inout ByteBuffer) {
        let fit = table.encode(pending.reply, dialect: pending.dialect, into: &output)
        if case .entry(.secure(let match)) = pending.reply { state.cut(match.domain, fit, table) }
        state.metrics.count(
            table, rule: pending.rule, fit == .tooLong ? .temporary : ReplyWord(pending.reply),
            cause: fit == .tooLong ? .tooLong : pending.cause,
            nanoseconds: (NIODeadline.now() - pending.since).nanoseconds)
    }

    /// Lets the next buffer use the memory of one that was written.
    mutating func recycle(_ written: ByteBuffer) {
        storage.give(written)
    }
}

import NIOCore
import PolicyCaching
import PolicyRuntime
import PostfixTable

/// A reply that is not rendered yet, with the facts for the metrics.
struct PendingReply {
    let reply: TableReply
    let dialect: Dialect
    /// `nil`: the reply takes no decision.
    let rule: Decision.Rule?
    /// `nil`: the reply does not defer mail.
    let deferral: DeferralReason?
    /// The time at which the request was read.
    let since: NIODeadline
    /// The key of the request, and the cache hit that the reply follows from; `nil`: the reply cannot be repeated.
    var repeatable: (key: [UInt8], hit: PolicyService.Hit)?
}

/// Renders replies in their order into buffers. A rendered buffer belongs to the caller. The renderer keeps none of its
/// octets, so that no octet can be written twice, whatever the channel does within a write.
///
/// Concurrency: a value; belongs to one connection.
/// Limits: a buffer takes no further reply at 65,536 octets, so it holds less than 65,536 and the longest reply.
struct ReplyRenderer {
    private let table: TableProtocol
    private let shared: ConnectionContext
    private var storage = BufferStorage(maximumCapacity: fullAt)

    /// Octets: many short replies go out in one write, long ones one by one.
    private static let fullAt = 65_536

    init(_ table: TableProtocol, shared: ConnectionContext) {
        self.table = table
        self.shared = shared
    }

    /// Takes known replies in their order until the buffer is full.
    ///
    /// - Parameter next: the next reply, if it is known.
    /// - Returns: the octets of the replies; `nil` if there is no reply.
    mutating func render(next: () -> PendingReply?) -> ByteBuffer? {
        guard var pending = next() else { return nil }
        var output = storage.take()
        let now = NIODeadline.now()
        while true {
            render(pending, at: now, into: &output)
            guard output.readableBytes < Self.fullAt, let further = next() else { return output }
            pending = further
        }
    }

    private func render(_ pending: PendingReply, at now: NIODeadline, into output: inout ByteBuffer) {
        let start = output.writerIndex
        let fit = table.encode(pending.reply, dialect: pending.dialect, into: &output)
        if case .entry(.secure(let match)) = pending.reply { shared.noteFit(fit, of: match.domain, table: table) }
        let kind = fit == .tooLong ? ReplyKind.temporary : ReplyKind(pending.reply)
        shared.metrics.count(
            kind, table: table, rule: pending.rule, deferral: fit == .tooLong ? .tooLong : pending.deferral,
            nanoseconds: (now - pending.since).nanoseconds)
        guard fit == .whole, let (key, hit) = pending.repeatable, let rule = pending.rule else { return }
        guard let octets = output.viewBytes(at: start, length: output.writerIndex - start) else { return }
        shared.store(
            ReadyReply(
                to: key, in: ReplyForm(table: table, dialect: pending.dialect), hit: hit, rule: rule, kind: kind,
                octets: octets))
    }

    /// An empty buffer. It belongs to the caller.
    mutating func takeBuffer() -> ByteBuffer { storage.take() }

    /// Lets the next buffer use the memory of a buffer that is written.
    mutating func recycle(_ written: ByteBuffer) {
        storage.give(written)
    }
}

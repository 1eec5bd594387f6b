import NIOCore
import PolicyCaching
import PolicyRuntime
import PostfixTable

/// A reply that waits to be written.
enum PendingReply {
    case new(NewReply)
    /// - Parameter since: the time at which the request was read.
    case ready(ReadyReply, since: NIODeadline)
}

/// A reply that is not rendered yet, with the facts for the metrics.
struct NewReply {
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
            switch pending {
            case .new(let reply): render(reply, at: now, into: &output)
            case .ready(let reply, let since):
                output.writeBytes(reply.octets)
                shared.metrics.count(
                    reply.kind, table: table, rule: reply.rule, deferral: nil, nanoseconds: (now - since).nanoseconds)
            }
            guard output.readableBytes < Self.fullAt, let further = next() else { return output }
            pending = further
        }
    }

    private func render(_ new: NewReply, at now: NIODeadline, into output: inout ByteBuffer) {
        let start = output.writerIndex
        let fit = table.encode(new.reply, dialect: new.dialect, into: &output)
        if case .entry(.secure(let match)) = new.reply { shared.noteFit(fit, of: match.domain, table: table) }
        let kind = fit == .tooLong ? ReplyKind.temporary : ReplyKind(new.reply)
        shared.metrics.count(
            kind, table: table, rule: new.rule, deferral: fit == .tooLong ? .tooLong : new.deferral,
            nanoseconds: (now - new.since).nanoseconds)
        guard fit == .whole, let (key, hit) = new.repeatable, let rule = new.rule else { return }
        let octets = output.viewBytes(at: start, length: output.writerIndex - start).map(Array.init) ?? []
        shared.store(
            ReadyReply(
                to: key, in: ReplyForm(table: table, dialect: new.dialect), hit: hit, rule: rule, kind: kind,
                octets: octets))
    }

    /// Lets the next buffer use the memory of a buffer that is written.
    mutating func recycle(_ written: ByteBuffer) {
        storage.give(written)
    }
}

import PolicyCaching
import PolicyRuntime
import PostfixTable

/// The protocol and the dialect of a reply.
struct ReplyForm: Equatable, Sendable {
    let table: TableProtocol
    let dialect: Dialect
}

/// A reply to a cache hit as it was written, to be written again while the hit can be repeated.
final class ReadyReply: Sendable {
    /// The key as sent: another spelling of a domain is another key.
    let key: [UInt8]
    let form: ReplyForm
    let hit: PolicyService.Hit
    let rule: Decision.Rule
    let kind: ReplyKind
    let octets: [UInt8]

    init(
        to key: [UInt8], in form: ReplyForm, hit: PolicyService.Hit, rule: Decision.Rule, kind: ReplyKind,
        octets: [UInt8]
    ) {
        self.key = key
        self.form = form
        self.hit = hit
        self.rule = rule
        self.kind = kind
        self.octets = octets
    }
}

/// Replies to the last cache hits. A request for one of them needs no parsing, decision or rendering.
///
/// Limits: 32,768 replies in rows of four; in a full row a new reply replaces one of the four. Replies of more than 1,024
/// octets are not stored: rendering them costs little beside sending them. Nor are replies to keys with a port, whose names
/// may change.
/// Not here: whether a reply is still valid (PolicyService.repeats).
struct ReadyReplies {
    private static let capacity = 32_768
    private static let rowLength = 4
    private static let maximumOctets = 1_024

    private var replies: [ReadyReply?] = []

    func reply(to key: [UInt8], in form: ReplyForm) -> ReadyReply? {
        guard !replies.isEmpty else { return nil }
        let first = Self.row(of: key)
        for slot in first..<first + Self.rowLength {
            if let reply = replies[slot], reply.form == form, reply.key == key { return reply }
        }
        return nil
    }

    mutating func store(_ reply: ReadyReply) {
        guard reply.octets.count <= Self.maximumOctets, !reply.key.contains(UInt8(ascii: ":")) else { return }
        if replies.isEmpty { replies = Array(repeating: nil, count: Self.capacity) }
        let first = Self.row(of: reply.key)
        let row = first..<first + Self.rowLength
        let slot =
            row.first { replies[$0].map { $0.form == reply.form && $0.key == reply.key } ?? true }
            ?? .random(in: row)
        replies[slot] = reply
    }

    /// The first slot of a key's row, by FNV-1a. A client that chooses keys with the same hash only makes its own replies
    /// slower.
    private static func row(of key: [UInt8]) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for octet in key { hash = (hash ^ UInt64(octet)) &* 0x0000_0100_0000_01b3 }
        return Int(truncatingIfNeeded: hash ^ hash >> 32) & (capacity - rowLength)
    }
}

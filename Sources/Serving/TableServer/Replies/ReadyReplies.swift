import NIOCore
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
    let form: ReplyForm
    let hit: PolicyService.Hit
    let rule: Decision.Rule
    let kind: ReplyKind
    /// The key as sent, and the octets of the reply. One array, because both are needed together.
    private let octets: [UInt8]
    private let keyLength: Int

    /// - Parameters:
    ///   - key: as sent: another spelling of a domain is another key.
    ///   - octets: the reply as sent.
    init(
        to key: [UInt8], in form: ReplyForm, hit: PolicyService.Hit, rule: Decision.Rule, kind: ReplyKind,
        octets: some Collection<UInt8>
    ) {
        self.form = form
        self.hit = hit
        self.rule = rule
        self.kind = kind
        self.octets = key + octets
        keyLength = key.count
    }

    /// Calls `body` with the key.
    func withKey<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        octets.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<keyLength])) }
    }

    func isReply(to key: UnsafeRawBufferPointer, in form: ReplyForm) -> Bool {
        form == self.form && withKey { $0.count == key.count && $0.elementsEqual(key) }
    }

    func write(to output: inout ByteBuffer) {
        octets.withUnsafeBytes { _ = output.writeBytes(UnsafeRawBufferPointer(rebasing: $0[keyLength...])) }
    }

    /// Octets of the key and the reply.
    var length: Int { octets.count }
}

/// Replies to the last cache hits. A request for one of them needs no decision and no rendering.
///
/// Limits: 32,768 replies in rows of eight; in a full row a new reply replaces one of the eight. When keys and replies would have
/// more than 16 MiB together, all are removed. Replies to keys with a port, whose names may change, are not stored.
/// Not here: whether a reply is still valid (PolicyService.repeats).
struct ReadyReplies {
    private static let capacity = 32_768
    private static let rowLength = 8
    private static let maximumOctets = 16_777_216

    private var replies: [ReadyReply?] = []
    /// The hash of the key in each slot. Only a reply with the same hash is read from memory.
    private var hashes: [UInt32] = []
    /// Of all keys and replies.
    private var octets = 0

    func reply(to key: UnsafeRawBufferPointer, in form: ReplyForm) -> ReadyReply? {
        guard !replies.isEmpty else { return nil }
        let hash = Self.hash(of: key)
        return Self.row(of: hash).lazy.filter { hashes[$0] == hash }.compactMap { replies[$0] }
            .first { $0.isReply(to: key, in: form) }
    }

    mutating func store(_ reply: ReadyReply) {
        let (hash, hasPort) = reply.withKey { (Self.hash(of: $0), $0.contains(UInt8(ascii: ":"))) }
        guard reply.length <= Self.maximumOctets, !hasPort else { return }
        if replies.isEmpty || octets + reply.length > Self.maximumOctets {
            replies = Array(repeating: nil, count: Self.capacity)
            hashes = Array(repeating: 0, count: Self.capacity)
            octets = 0
        }
        let row = Self.row(of: hash)
        let slot =
            row.first { slot in
                guard let other = replies[slot] else { return true }
                return reply.withKey { other.isReply(to: $0, in: reply.form) }
            } ?? .random(in: row)
        octets += reply.length - (replies[slot]?.length ?? 0)
        replies[slot] = reply
        hashes[slot] = hash
    }

    private static func row(of hash: UInt32) -> Range<Int> {
        let first = Int(hash) & (capacity - rowLength)
        return first..<first + rowLength
    }

    /// FNV-1a. A client that chooses keys with the same hash only makes its own replies slower.
    private static func hash(of key: UnsafeRawBufferPointer) -> UInt32 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for octet in key { hash = (hash ^ UInt64(octet)) &* 0x0000_0100_0000_01b3 }
        return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
    }
}

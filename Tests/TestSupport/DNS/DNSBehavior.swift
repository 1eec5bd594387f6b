/// What `FaultyDNSServer` does with one query. Values are made from an answer and changed by modifiers:
///
///     .text("here").delayed(by: .seconds(1)).forged([.wrongID])
package struct DNSBehavior: Sendable {
    package enum Content: Sendable {
        /// Record data in wire form, all of the question's type.
        case records([[UInt8]], timeToLive: UInt32 = 60)
        /// NODATA with an SOA record.
        case noData
        /// NXDOMAIN with an SOA record.
        case nameError
        case responseCode(UInt8)
        /// A whole message, for example another server's response.
        case message([UInt8])
        case noAnswer
    }

    /// What happens to a query over TCP instead of the answer.
    package enum TCPFault: Sendable {
        /// The server sends nothing and leaves the connection open.
        case stall
        /// The server sends half of the framed message and leaves the connection open.
        case stallAfterHalf
        case close
    }

    package var content: Content
    package var delay: Duration = .zero
    /// How many times the server sends the same datagram. TCP ignores it.
    package var copies = 1
    /// Whether a response over UDP has TC and no records.
    package var isTruncated = false
    package var tcpFault: TCPFault?
    package var corruption: DNSCorruption?
    /// Datagrams that the server sends at once; the real response follows after `delay`. TCP ignores them.
    package var forgeries: [DNSForgery] = []

    package init(_ content: Content) {
        self.content = content
    }
}

extension DNSBehavior {
    package static let noAnswer = DNSBehavior(.noAnswer)
    package static let serverFailure = DNSBehavior(.responseCode(2))
    package static let refused = DNSBehavior(.responseCode(5))

    /// A TXT record of one string.
    package static func text(_ text: String) -> DNSBehavior { DNSBehavior(.records([string(text)])) }

    /// A TXT record that holds the question's name, so that an answer shows which question it belongs to.
    package static func echo(_ query: DNSQuery) -> DNSBehavior {
        query.type == 16 ? text(query.name) : DNSBehavior(.noData)
    }

    /// RDATA of a TXT record of one string (RFC 1035 §3.3.14).
    package static func string(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8.prefix(255))
        return [UInt8(bytes.count)] + bytes
    }

    package func delayed(by delay: Duration) -> DNSBehavior { with { $0.delay = delay } }
    package func truncated() -> DNSBehavior { with { $0.isTruncated = true } }
    package func duplicated(copies: Int = 2) -> DNSBehavior { with { $0.copies = copies } }
    package func corrupted(_ corruption: DNSCorruption) -> DNSBehavior { with { $0.corruption = corruption } }
    package func forged(_ forgeries: [DNSForgery]) -> DNSBehavior { with { $0.forgeries = forgeries } }
    package func overTCP(_ fault: TCPFault) -> DNSBehavior { with { $0.tcpFault = fault } }

    private func with(_ change: (inout DNSBehavior) -> Void) -> DNSBehavior {
        var copy = self
        change(&copy)
        return copy
    }
}

extension DNSBehavior {
    /// The behaviour that the name's second-to-last label chooses:
    ///
    ///     *.silent.test     no answer
    ///     *.afterN.test     the answer after N milliseconds
    ///     *.servfail.test   SERVFAIL, and *.refused.test REFUSED
    ///     *.stalled.test    TC over UDP, no answer over TCP
    ///     all others        the answer at once; it is `echo`
    package static func byName(_ query: DNSQuery) -> DNSBehavior {
        let labels = query.name.utf8.split(separator: UInt8(ascii: "."))
        guard labels.count >= 2 else { return echo(query) }
        let label = String(labels[labels.count - 2]) ?? ""
        switch label {
        case "silent": return .noAnswer
        case "servfail": return .serverFailure
        case "refused": return .refused
        case "stalled": return echo(query).truncated().overTCP(.stall)
        default:
            guard label.hasPrefix("after"), let milliseconds = Int(label.dropFirst(5)) else { return echo(query) }
            return echo(query).delayed(by: .milliseconds(milliseconds))
        }
    }
}

/// Packet loss in each direction, as a share from 0 to 1. TCP has none: the kernel repeats what is lost.
///
/// The seed, the question and the number of the transmission decide, so that the same transmissions are lost in each run.
package struct DNSLoss: Sendable {
    package let incoming: Double
    package let outgoing: Double
    private let seed: UInt64

    package init(_ share: Double, seed: UInt64 = 1) {
        incoming = share
        outgoing = share
        self.seed = seed
    }

    package static let none = DNSLoss(0)

    func losesQuery(_ query: DNSQuery) -> Bool { incoming > 0 && draw(query, salt: 1) < incoming }
    func losesResponse(to query: DNSQuery) -> Bool { outgoing > 0 && draw(query, salt: 2) < outgoing }

    /// FNV-1a of the name, mixed with the rest.
    private func draw(_ query: DNSQuery, salt: UInt64) -> Double {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in query.name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        hash ^= seed &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(query.type) << 48 ^ UInt64(query.transmission) << 8 ^ salt
        var generator = Seeded(hash)
        return Double.random(in: 0..<1, using: &generator)
    }
}

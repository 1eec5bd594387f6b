import Discovery
import TextFormats

/// A received message, classified for the query of its socket.
///
/// Protocol: RFC 5452 §9.1 (identifier, question), RFC 1035 §4.1.1 (TC, response codes), RFC 6891 §7.
/// Security: The kernel checks address and port, because the sockets are connected.
enum DNSReply: Equatable {
    /// Not an answer to this query: wrong identifier, wrong question, not a response. The transport ignores it, because it
    /// may be forged and the real answer may follow.
    case unrelated
    /// Identifier and question match, the rest is malformed. The transport ignores it, but remembers the reason.
    case malformed(String)
    /// The answer does not fit into a datagram. The transport repeats the query over TCP.
    case truncated
    /// An error or a referral. Another server may have an answer.
    case error(DNSError.Cause)
    /// A positive or negative answer.
    case answer(DNSMessage)

    /// - Parameter id: The identifier of the query.
    static func classify(_ packet: [UInt8], query: DNSQuery, id: UInt16, overTCP: Bool) -> DNSReply {
        guard packet.count >= DNSQuery.headerSize, packet[0] == UInt8(id >> 8), packet[1] == UInt8(id & 0xFF),
            packet[2] & 0xF8 == 0x80
        else { return .unrelated }
        let code = packet[3] & 0x0F
        // A server that does not understand the query may omit the question.
        let mayLackQuestion = code == 1 || code == 4
        guard hasQuestion(of: query, in: packet) || (mayLackQuestion && packet[4] == 0 && packet[5] == 0)
        else { return .unrelated }
        if packet[2] & 0x02 != 0, !overTCP { return .truncated }
        do {
            let message = try DNSMessage(packet)
            if message.isTruncated { return .malformed("truncated, over TCP") }
            guard code == 0 || code == 3 else { return .error(.responseCode(code)) }
            if isReferral(message, code: code) {
                return .error(.malformedAnswer("a referral, this server does not resolve recursively"))
            }
            return .answer(message)
        } catch {
            return .malformed(error.description)
        }
    }

    /// A server that does not recurse points at others, or says nothing. That is no proof that there are no records.
    private static func isReferral(_ message: DNSMessage, code: UInt8) -> Bool {
        code == 0 && message.answers.isEmpty && !message.isAuthoritative && !message.offersRecursion
            && !message.authority.contains { $0.type == RecordType.soa.rawValue }
    }

    /// Compares names without regard to case (RFC 1035 §2.3.3).
    private static func hasQuestion(of query: DNSQuery, in packet: [UInt8]) -> Bool {
        guard packet[4] == 0, packet[5] == 1, packet.count >= query.questionEnd else { return false }
        // Type and class at the end must be equal octet by octet.
        let typeStart = query.questionEnd - 4
        for position in DNSQuery.headerSize..<query.questionEnd {
            let (left, right) = (packet[position], query.octets[position])
            guard left == right || (position < typeStart && left.asciiLowercased == right.asciiLowercased) else {
                return false
            }
        }
        return true
    }
}

import Discovery

/// What a received message is to the query that waits on its socket.
///
/// Protocol: RFC 5452 §9.1 (id, question), RFC 1035 §4.1.1 (TC, response codes), RFC 6891 §7.
/// Concurrency: pure functions. The kernel checks address and port: the sockets are connected.
enum DNSReply: Equatable {
    /// Not an answer to this query: wrong identifier, wrong question, not a response. It is ignored, since it may be
    /// forged; the real answer may follow.
    case unrelated
    /// Id and question match, the rest cannot be read. It is ignored like a forged one, but the reason is kept.
    case malformed(String)
    /// The answer does not fit into a datagram: ask over TCP.
    case truncated
    /// The server answers with an error, or with a referral. Another server may know more.
    case error(DNSFailure.Cause)
    /// Records, or a proof that there are none.
    case answer(DNSMessage)

    /// - Parameter id: the identifier of the transmission.
    static func classify(_ packet: [UInt8], query: DNSQuery, id: UInt16, overTCP: Bool) -> DNSReply {
        guard packet.count >= DNSQuery.headerSize, packet[0] == UInt8(id >> 8), packet[1] == UInt8(id & 0xFF),
            packet[2] & 0xF8 == 0x80
        else { return .unrelated }
        let code = packet[3] & 0x0F
        // A server that does not understand the query may leave the question out.
        let mayLackQuestion = code == 1 || code == 4
        guard hasQuestion(of: query, packet) || (mayLackQuestion && packet[4] == 0 && packet[5] == 0)
        else { return .unrelated }
        if packet[2] & 0x02 != 0, !overTCP { return .truncated }
        do {
            let message = try DNSMessage(packet)
            if message.isTruncated { return .malformed("truncated, over TCP") }
            guard code == 0 || code == 3 else { return .error(.responseCode(code)) }
            if isReferral(message, code: code) {
                return .error(.malformedAnswer("a referral: this server does not resolve recursively"))
            }
            return .answer(message)
        } catch {
            return .malformed(error.description)
        }
    }

    /// A server that does not recurse points at others, or says nothing. That is no proof that there are no records.
    private static func isReferral(_ message: DNSMessage, code: UInt8) -> Bool {
        code == 0 && message.answers.isEmpty && !message.isAuthoritative && !message.offersRecursion
            && !message.authority.contains { $0.type == DNSMessage.TypeCode.soa }
    }

    /// Names are compared without regard to case (RFC 1035 §2.3.3).
    private static func hasQuestion(of query: DNSQuery, _ packet: [UInt8]) -> Bool {
        guard packet[4] == 0, packet[5] == 1, packet.count >= query.questionEnd else { return false }
        // Type and class stand at the end, and must be equal octet by octet.
        let typeStart = query.questionEnd - 4
        for position in DNSQuery.headerSize..<query.questionEnd {
            let (left, right) = (packet[position], query.octets[position])
            guard left == right || (position < typeStart && left.lowercased == right.lowercased) else { return false }
        }
        return true
    }
}

/// One query as `FaultyDNSServer` received it.
///
/// Protocol: RFC 1035 §4.1.1 and §4.1.2; one question, its name not compressed.
/// Concurrency: a value.
package struct DNSQuery: Sendable {
    /// The whole message.
    package let bytes: [UInt8]
    /// In lower case, without the final dot.
    package let name: String
    package let type: UInt16
    package let sourcePort: UInt16
    package let overTCP: Bool
    package let time: ContinuousClock.Instant
    /// How many queries for this name and type the server received so far, this one included. Lost ones count.
    package internal(set) var transmission = 1
    /// Whether the server pretends that the network lost this query.
    package internal(set) var wasLost = false

    /// The offset behind the question.
    let questionEnd: Int
    /// The offset of the last label, which is the zone of the SOA records; of the root label, if there is no other.
    let zoneOffset: Int

    package var id: UInt16 { UInt16(bytes[0]) << 8 | UInt16(bytes[1]) }

    /// Whether the query carries an OPT record (RFC 6891).
    var usesEDNS: Bool { bytes[11] != 0 }

    /// `nil` if the message holds no complete question.
    package init?(
        _ bytes: [UInt8], sourcePort: UInt16, overTCP: Bool, time: ContinuousClock.Instant = .now
    ) {
        guard bytes.count >= 17 else { return nil }
        var text: [UInt8] = []
        var position = 12
        var zoneOffset = 12
        while bytes[position] != 0 {
            let next = position + 1 + Int(bytes[position])
            guard bytes[position] < 64, next + 5 <= bytes.count else { return nil }
            zoneOffset = position
            text += bytes[(position + 1)..<next]
            text.append(UInt8(ascii: "."))
            position = next
        }
        guard position + 5 <= bytes.count else { return nil }
        for index in text.indices where (0x41...0x5A).contains(text[index]) { text[index] += 0x20 }
        name = String(decoding: text.dropLast(), as: UTF8.self)
        type = UInt16(bytes[position + 1]) << 8 | UInt16(bytes[position + 2])
        questionEnd = position + 5
        self.zoneOffset = zoneOffset
        self.bytes = bytes
        self.sourcePort = sourcePort
        self.overTCP = overTCP
        self.time = time
    }
}

extension DNSQuery {
    /// The response to this query with `content`; `nil` for no answer. A truncated response has no records.
    package func response(_ content: DNSBehavior.Content, isTruncated: Bool = false) -> [UInt8]? {
        switch content {
        case .noAnswer: return nil
        case .message(let message): return message
        case .responseCode(let code): return message(code: code)
        case .nameError: return message(code: 3, authority: soa)
        case .noData: return message(authority: soa)
        case .records(let data, let timeToLive):
            guard !isTruncated else { return message(flags: 0x0200) }
            return message(answers: data.count, data.reduce([]) { $0 + record(timeToLive, data: $1) })
        }
    }

    /// A record with the name, type and class of the question; the name is a pointer to the question's.
    private func record(_ timeToLive: UInt32, data: [UInt8]) -> [UInt8] {
        [0xC0, 0x0C, UInt8(type >> 8), UInt8(type & 0xff), 0, 1] + timeToLive.octets
            + [UInt8(data.count >> 8), UInt8(data.count & 0xff)] + data
    }

    /// RFC 1035 §3.3.13: two root names, then serial, refresh, retry, expire and minimum.
    private var soa: [UInt8] {
        let owner: [UInt8] = bytes[zoneOffset] == 0 ? [0] : [0xC0, UInt8(zoneOffset)]
        let numbers = [1, 3_600, 600, 86_400, 60] as [UInt32]
        return owner + [0, 6, 0, 1] + UInt32(60).octets + [0, 22, 0, 0] + numbers.flatMap(\.octets)
    }

    /// QR, RD and RA are set.
    private func message(
        code: UInt8 = 0, flags: UInt16 = 0, answers count: Int = 0, _ answers: [UInt8] = [], authority: [UInt8] = []
    ) -> [UInt8] {
        var message = Array(bytes[..<questionEnd])
        let flags = 0x8180 | flags | UInt16(code)
        message[2] = UInt8(flags >> 8)
        message[3] = UInt8(flags & 0xff)
        message[6] = UInt8(count >> 8)
        message[7] = UInt8(count & 0xff)
        message[8] = 0
        message[9] = authority.isEmpty ? 0 : 1
        message[10] = 0
        message[11] = usesEDNS ? 1 : 0
        message += answers
        message += authority
        if usesEDNS { message += [0, 0, 41, 0x04, 0xD0, 0, 0, 0, 0, 0, 0] }
        return message
    }
}

extension UInt32 {
    fileprivate var octets: [UInt8] {
        [UInt8(self >> 24), UInt8(self >> 16 & 0xff), UInt8(self >> 8 & 0xff), UInt8(self & 0xff)]
    }
}

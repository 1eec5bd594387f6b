import Discovery
import TextFormats

/// The header, answer section and authority section of a DNS response.
///
/// Protocol: RFC 1035 §4.1.
/// Errors: `MalformedError`. Parsing never reads past the end, and never follows pointers forever.
/// Not here: the answer to a question (ResponseParser).
package struct DNSMessage: Equatable, Sendable {
    package struct Record: Equatable, Sendable {
        package let owner: WireName
        package let type: UInt16
        package let recordClass: UInt16
        /// 0 if the highest bit is set (RFC 2181 §8).
        package let timeToLive: UInt32
        /// RDATA. In CNAME and MX records the name is uncompressed and in lower case; other records are unchanged.
        package internal(set) var data: [UInt8]
        /// The canonical name of a CNAME.
        package internal(set) var target: WireName?
        /// MINIMUM of an SOA (RFC 1035 §3.3.13).
        package internal(set) var minimum: UInt32?
    }

    package struct MalformedError: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    package private(set) var responseCode: UInt8 = 0
    package private(set) var isTruncated = false
    /// The AA bit.
    package private(set) var isAuthoritative = false
    /// The RA bit. The server resolves recursively.
    package private(set) var offersRecursion = false
    package private(set) var answers: [Record] = []
    package private(set) var authority: [Record] = []

    package init(_ bytes: [UInt8]) throws(MalformedError) {
        var reader = Reader(bytes: bytes)
        _ = try reader.uint16()
        let flags = try reader.uint16()
        guard flags & 0x8000 != 0 else { throw MalformedError(description: "not a response") }
        responseCode = UInt8(flags & 0x000f)
        isTruncated = flags & 0x0200 != 0
        isAuthoritative = flags & 0x0400 != 0
        offersRecursion = flags & 0x0080 != 0
        let counts = [try reader.uint16(), try reader.uint16(), try reader.uint16()]
        _ = try reader.uint16()
        for _ in 0..<counts[0] {
            _ = try reader.name()
            try reader.skip(4)
        }
        for _ in 0..<counts[1] { answers.append(try reader.record()) }
        for _ in 0..<counts[2] { authority.append(try reader.record()) }
    }
}

/// A cursor over the message. Every read checks the bounds.
private struct Reader {
    let bytes: [UInt8]
    var position = 0

    mutating func skip(_ count: Int) throws(DNSMessage.MalformedError) {
        guard bytes.count - position >= count else {
            throw DNSMessage.MalformedError(description: "message ends too early")
        }
        position += count
    }

    mutating func uint16() throws(DNSMessage.MalformedError) -> UInt16 {
        try skip(2)
        return UInt16(bytes[position - 2]) << 8 | UInt16(bytes[position - 1])
    }

    mutating func uint32() throws(DNSMessage.MalformedError) -> UInt32 {
        UInt32(try uint16()) << 16 | UInt32(try uint16())
    }

    /// Reads a name (RFC 1035 §4.1.4). Each pointer must lead to an earlier position than all before, so that there is no
    /// loop.
    mutating func name() throws(DNSMessage.MalformedError) -> WireName {
        var name = WireName()
        var length = 1
        var cursor = position
        var limit = position
        var end: Int?
        while true {
            guard cursor < bytes.count else { throw DNSMessage.MalformedError(description: "a name ends too early") }
            let count = Int(bytes[cursor])
            switch count & 0xC0 {
            case 0 where count == 0:
                position = end ?? cursor + 1
                return name
            case 0:
                length += count + 1
                guard length <= 255, cursor + count < bytes.count
                else { throw DNSMessage.MalformedError(description: "a name is too long") }
                name.labels.append(bytes[(cursor + 1)...(cursor + count)].map(\.asciiLowercased))
                cursor += count + 1
            case 0xC0:
                guard cursor + 1 < bytes.count else {
                    throw DNSMessage.MalformedError(description: "a name ends too early")
                }
                let target = (count & 0x3F) << 8 | Int(bytes[cursor + 1])
                guard target < limit else { throw DNSMessage.MalformedError(description: "a name points forward") }
                end = end ?? cursor + 2
                cursor = target
                limit = target
            default: throw DNSMessage.MalformedError(description: "a label of unknown type")
            }
        }
    }

    /// Checks the size of addresses (RFC 1035 §3.4.1, RFC 3596 §2.2), and that TXT consists of whole strings (§3.3.14).
    private static func check(_ data: [UInt8], type: UInt16) throws(DNSMessage.MalformedError) {
        switch type {
        case RecordType.a.rawValue where data.count != 4:
            throw DNSMessage.MalformedError(description: "A record of \(data.count) octets")
        case RecordType.aaaa.rawValue where data.count != 16:
            throw DNSMessage.MalformedError(description: "AAAA record of \(data.count) octets")
        case RecordType.txt.rawValue:
            var position = 0
            while position < data.count { position += 1 + Int(data[position]) }
            guard position == data.count, !data.isEmpty
            else { throw DNSMessage.MalformedError(description: "TXT is not a sequence of strings") }
        default: break
        }
    }

    mutating func record() throws(DNSMessage.MalformedError) -> DNSMessage.Record {
        let owner = try name()
        let type = try uint16()
        let recordClass = try uint16()
        let timeToLive = try uint32()
        let length = Int(try uint16())
        let start = position
        try skip(length)
        let end = position
        var record = DNSMessage.Record(
            owner: owner, type: type, recordClass: recordClass,
            timeToLive: timeToLive > UInt32(Int32.max) ? 0 : timeToLive, data: Array(bytes[start..<end]))
        position = start
        if type == RecordType.cname.rawValue {
            let target = try name()
            record.target = target
            record.data = target.octets
        } else if type == RecordType.mx.rawValue {
            try skip(2)
            record.data = bytes[start..<position] + (try name()).octets
        } else if type == RecordType.soa.rawValue {
            _ = try name()
            _ = try name()
            try skip(16)
            record.minimum = try uint32()
        } else {
            try Self.check(record.data, type: type)
            position = end
        }
        guard position == end else {
            throw DNSMessage.MalformedError(description: "RDATA of a wrong length for its type")
        }
        return record
    }
}

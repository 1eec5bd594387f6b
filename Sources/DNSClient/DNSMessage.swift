/// A DNS response as far as it is needed here: header, answer and authority sections (RFC 1035 §4.1).
///
/// Concurrency: a value; parsing is pure.
/// Errors: `MalformedError`; parsing never reads past the end and never follows pointers for ever.
/// Not here: what the records mean for a question (ResponseParser).
package struct DNSMessage: Equatable, Sendable {
    package struct Record: Equatable, Sendable {
        package let owner: WireName
        package let type: UInt16
        package let recordClass: UInt16
        /// As sent, but 0 where the highest bit is set (RFC 2181 §8).
        package let timeToLive: UInt32
        /// RDATA as sent; of CNAME and MX with the name written out and in lower case, of others compressed as it came.
        package internal(set) var data: [UInt8]
        /// The canonical name of a CNAME.
        package internal(set) var target: WireName?
        /// MINIMUM of an SOA (RFC 1035 §3.3.13).
        package internal(set) var minimum: UInt32?
    }

    package struct MalformedError: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    package enum TypeCode {
        package static let a: UInt16 = 1
        package static let cname: UInt16 = 5
        package static let soa: UInt16 = 6
        package static let mx: UInt16 = 15
        package static let txt: UInt16 = 16
        package static let aaaa: UInt16 = 28
    }

    package private(set) var responseCode: UInt8 = 0
    package private(set) var isTruncated = false
    /// The AA bit.
    package private(set) var isAuthoritative = false
    /// The RA bit: the server resolves recursively.
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

/// A domain name as labels in lower case: comparing is RFC 1035 §2.3.3's comparing.
package struct WireName: Hashable, Sendable {
    package fileprivate(set) var labels: [[UInt8]] = []

    /// The name in libunbound's text form: whatever is not a letter, digit, hyphen or underscore as `\DDD`. The root is
    /// `.`.
    package var text: String {
        guard !labels.isEmpty else { return "." }
        return labels.map { label in
            label.map { byte -> String in
                switch byte {
                case 0x30...0x39, 0x61...0x7A, 0x2D, 0x5F: return String(UnicodeScalar(byte))
                default:
                    let digits = String(byte)
                    return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
                }
            }.joined()
        }.joined(separator: ".")
    }

    /// The name as it stands in a message, uncompressed (RFC 1035 §3.1).
    package var octets: [UInt8] { labels.flatMap { [UInt8($0.count)] + $0 } + [0] }

    /// Reads a name in text; `nil` where it cannot be encoded: a label of 0 or more than 63 octets, more than 255 in
    /// all (RFC 1035 §2.3.4), or anything but visible ASCII. A backslash would be an escape to libunbound: refused.
    /// `.` is the root; no other name may end with a dot.
    package init?(text: String) {
        if text == "." { return }
        var length = 1
        for label in text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard (1...63).contains(label.count),
                label.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\\") })
            else { return nil }
            length += label.count + 1
            labels.append(label.map(\.lowercased))
        }
        guard length <= 255 else { return nil }
    }

    package init() {}

    /// Reads labels up to the root label; `nil` if the octets are not exactly one name.
    init?(uncompressed octets: ArraySlice<UInt8>) {
        var rest = octets
        while let length = rest.popFirst(), length > 0 {
            guard length < 64, rest.count > Int(length) else { return nil }
            labels.append(rest.prefix(Int(length)).map(\.lowercased))
            rest = rest.dropFirst(Int(length))
        }
        guard rest.isEmpty else { return nil }
    }
}

extension UInt8 {
    var lowercased: UInt8 { (0x41...0x5A).contains(self) ? self + 0x20 : self }
}

/// A cursor over the message; every read is bounds-checked.
private struct Reader {
    let bytes: [UInt8]
    var position = 0

    mutating func skip(_ count: Int) throws(DNSMessage.MalformedError) {
        guard bytes.count - position >= count else { throw DNSMessage.MalformedError(description: "it ends too early") }
        position += count
    }

    mutating func uint16() throws(DNSMessage.MalformedError) -> UInt16 {
        try skip(2)
        return UInt16(bytes[position - 2]) << 8 | UInt16(bytes[position - 1])
    }

    mutating func uint32() throws(DNSMessage.MalformedError) -> UInt32 {
        UInt32(try uint16()) << 16 | UInt32(try uint16())
    }

    /// RFC 1035 §4.1.4. A pointer must lead to before everything read so far, so that there is no loop.
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
                name.labels.append(bytes[(cursor + 1)...(cursor + count)].map(\.lowercased))
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
            default: throw DNSMessage.MalformedError(description: "a label of unknown kind")
            }
        }
    }

    /// Addresses have their size (RFC 1035 §3.4.1, RFC 3596 §2.2). TXT is one or more whole strings (§3.3.14).
    private static func check(_ data: [UInt8], type: UInt16) throws(DNSMessage.MalformedError) {
        switch type {
        case DNSMessage.TypeCode.a where data.count != 4:
            throw DNSMessage.MalformedError(description: "A of \(data.count) octets")
        case DNSMessage.TypeCode.aaaa where data.count != 16:
            throw DNSMessage.MalformedError(description: "AAAA of \(data.count) octets")
        case DNSMessage.TypeCode.txt:
            var position = 0
            while position < data.count { position += 1 + Int(data[position]) }
            guard position == data.count, !data.isEmpty
            else { throw DNSMessage.MalformedError(description: "TXT that is not a sequence of strings") }
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
        if type == DNSMessage.TypeCode.cname {
            let target = try name()
            record.target = target
            record.data = target.octets
        } else if type == DNSMessage.TypeCode.mx {
            try skip(2)
            record.data = bytes[start..<position] + (try name()).octets
        } else if type == DNSMessage.TypeCode.soa {
            _ = try name()
            _ = try name()
            try skip(16)
            record.minimum = try uint32()
        } else {
            try Self.check(record.data, type: type)
            position = end
        }
        guard position == end else {
            throw DNSMessage.MalformedError(description: "RDATA of another length than its type")
        }
        return record
    }
}

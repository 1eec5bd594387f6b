import DNSClient
import Glibc
import LocalSystem
import TextFormats

/// The keys at which validation starts: the DS and DNSKEY records of a file, which is read once and never written.
///
/// Protocol: The lines of RFC 1035 §5.1, as written by dig, keymgr and Debian's dns-root-data. In RFC 5011 files, as written
/// by unbound-anchor and libunbound, also the comment `;;state=N`.
/// Errors: `TrustAnchorError` with the file, the cause and advice.
/// Not here: whether the keys are current (DNSSECProbe).
package struct TrustAnchors: Equatable, Sendable {
    /// The root's keys in Debian's package dns-root-data.
    package static let systemPath = "/usr/share/dns/root.key"

    /// Each record contains only letters, digits, blanks, and the other characters of names and base64.
    let records: [String]

    package static func read(path: String = systemPath) throws(TrustAnchorError) -> TrustAnchors {
        let bytes: [UInt8]
        do {
            bytes = try SmallFile.read(path, limit: maximumSize + 1)
        } catch {
            throw TrustAnchorError(path: path, cause: .unreadable(code: error.code))
        }
        guard bytes.count <= maximumSize else { throw TrustAnchorError(path: path, cause: .tooLarge) }
        return try TrustAnchors(text: String(decoding: bytes, as: UTF8.self), path: path)
    }

    /// In octets. The root's keys have less than 2,000, and a file with the anchors of many zones fits too.
    private static let maximumSize = 1 << 20

    /// - Parameter path: For the error only.
    package init(text: String, path: String = "") throws(TrustAnchorError) {
        var records: [String] = []
        var unusable: String?
        var words: [Substring] = []
        var depth = 0
        var number = 0
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            number += 1
            let comment = line.firstIndex(of: ";") ?? line.endIndex
            for word in Self.words(line[..<comment]) {
                if word == "(" { depth += 1 } else if word == ")" { depth -= 1 } else { words.append(word) }
            }
            guard depth <= 0, !words.isEmpty else { continue }
            defer { words = [] }
            let record: AnchorRecord
            do throws(AnchorRecord.ParseError) {
                record = try AnchorRecord(words)
            } catch {
                throw TrustAnchorError(path: path, cause: .malformed(line: number, reason: error.reason))
            }
            if let reason = record.unusableReason ?? Self.distrustReason(line[comment...]) {
                unusable = unusable ?? "line \(number): \(reason)"
            } else {
                records.append(record.text)
            }
        }
        guard words.isEmpty else {
            throw TrustAnchorError(path: path, cause: .malformed(line: number, reason: "unclosed parenthesis"))
        }
        guard !records.isEmpty else {
            throw TrustAnchorError(path: path, cause: unusable.map { .unusable($0) } ?? .empty)
        }
        self.records = records
    }

    /// Splits at blanks. Each parenthesis is a separate word.
    private static func words(_ text: Substring) -> [Substring] {
        var words: [Substring] = []
        for part in text.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" }) {
            var rest = part
            while let index = rest.firstIndex(where: { $0 == "(" || $0 == ")" }) {
                if index > rest.startIndex { words.append(rest[..<index]) }
                words.append(rest[index...index])
                rest = rest[rest.index(after: index)...]
            }
            if !rest.isEmpty { words.append(rest) }
        }
        return words
    }

    /// Only keys in state valid (2) or missing (3) are trusted (RFC 5011 §4).
    private static func distrustReason(_ comment: Substring) -> String? {
        guard let mark = comment.firstRange(of: ";;state=") else { return nil }
        let state = comment[mark.upperBound...].prefix { $0.isNumber }
        return state == "2" || state == "3" ? nil : "a key in state \(state.prefix(4)) of RFC 5011"
    }
}

/// There are no usable trust anchors.
package struct TrustAnchorError: Error, Equatable, Sendable {
    package enum Cause: Equatable, Sendable {
        /// errno(3).
        case unreadable(code: Int32)
        case tooLarge
        /// Only comments and blank lines.
        case empty
        case malformed(line: Int, reason: String)
        /// All records are unusable: revoked, or of algorithms that libunbound does not support. With them libunbound would
        /// silently treat everything as insecure.
        case unusable(String)
    }

    package let path: String
    package let cause: Cause
}

extension TrustAnchorError: CustomStringConvertible {
    package var description: String {
        let path = UntrustedText.escaped(path)
        let advice = "install dns-root-data, or set dns.trust-anchor-file to a file of DS or DNSKEY records"
        return switch cause {
        case .unreadable(let code): "\(path): \(String(cString: strerror(code))); \(advice)"
        case .tooLarge: "\(path): larger than 1 MiB, not a file of trust anchors; \(advice)"
        case .empty: "\(path): no trust anchor in it; \(advice)"
        case .malformed(let line, let reason): "\(path): line \(line): \(reason); \(advice)"
        case .unusable(let reason): "\(path): no usable trust anchor (\(reason)); \(advice)"
        }
    }
}

/// One DS (RFC 4034 §5.3) or DNSKEY (§2.2) record in text.
private struct AnchorRecord {
    struct ParseError: Error {
        let reason: String
    }

    let text: String
    /// The reason why validation cannot start here; `nil` if it can.
    let unusableReason: String?

    init(_ words: [Substring]) throws(ParseError) {
        var words = words[...]
        guard let owner = words.popFirst(), let name = Self.absoluteName(owner)
        else { throw ParseError(reason: "expected a record that begins with a name") }
        // TTL and class are optional, in any order.
        while let word = words.first, word.uppercased() == "IN" || UInt32(word) != nil { words.removeFirst() }
        let type = words.popFirst()?.uppercased()
        guard type == "DS" || type == "DNSKEY"
        else { throw ParseError(reason: "expected a record of type DS or DNSKEY in class IN") }
        let numbers = words.prefix(3).compactMap { UInt16($0) }
        let data = words.dropFirst(3).joined()
        guard numbers.count == 3, numbers[2] <= 255, !data.isEmpty
        else { throw ParseError(reason: "expected three numbers and data after \(type ?? "")") }
        if type == "DS" {
            guard numbers[1] <= 255, data.utf8.count.isMultiple(of: 2), data.utf8.allSatisfy(Self.isHexadecimal)
            else { throw ParseError(reason: "expected a digest in hexadecimal digits") }
            unusableReason = Self.reasonAgainstDS(
                algorithm: numbers[1], digest: numbers[2], length: data.utf8.count / 2)
        } else {
            guard numbers[1] == 3 else { throw ParseError(reason: "expected protocol 3 in a DNSKEY") }
            guard data.utf8.allSatisfy(Self.isBase64) else { throw ParseError(reason: "expected a key in base64") }
            unusableReason = Self.reasonAgainstKey(flags: numbers[0], algorithm: numbers[2])
        }
        text = "\(name) IN \(type ?? "") \(numbers[0]) \(numbers[1]) \(numbers[2]) \(data)"
    }

    private static func reasonAgainstDS(algorithm: UInt16, digest: UInt16, length: Int) -> String? {
        guard algorithms.contains(algorithm) else { return "algorithm \(algorithm)" }
        guard let expected = digestLengths[digest] else { return "digest type \(digest)" }
        return length == expected ? nil : "a digest of \(length) octets, type \(digest) has \(expected)"
    }

    private static func reasonAgainstKey(flags: UInt16, algorithm: UInt16) -> String? {
        guard flags & 0x0100 != 0 else { return "not a zone key" }
        guard flags & 0x0080 == 0 else { return "a revoked key" }
        return algorithms.contains(algorithm) ? nil : "algorithm \(algorithm)"
    }

    /// The algorithms that libunbound supports (RFC 8624 §3.1): RSA with SHA-1, SHA-256, SHA-512; ECDSA; EdDSA.
    private static let algorithms: Set<UInt16> = [5, 7, 8, 10, 13, 14, 15, 16]
    /// SHA-1, SHA-256, SHA-384.
    private static let digestLengths: [UInt16: Int] = [1: 20, 2: 32, 4: 48]

    private static func absoluteName(_ owner: Substring) -> String? {
        if owner == "." { return "." }
        let bare = owner.last == "." ? owner.dropLast() : owner
        // The text goes into a configuration file between quotes.
        guard bare != ".", bare.utf8.allSatisfy({ isLetterOrDigit($0) || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F }),
            let name = WireName(text: String(bare))
        else { return nil }
        return name.text + "."
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
        default: false
        }
    }

    private static func isBase64(_ byte: UInt8) -> Bool {
        isLetterOrDigit(byte) || byte == 0x2B || byte == 0x2F || byte == 0x3D
    }
}

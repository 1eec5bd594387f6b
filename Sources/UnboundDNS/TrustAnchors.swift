import DNSClient
import Glibc
import MTASTS

/// The keys that validation starts from: the DS and DNSKEY records of a file, which is only ever read.
///
/// Protocol: RFC 1035 §5.1's lines, as dig, keymgr and Debian's dns-root-data write them; of RFC 5011 files, as unbound-anchor
/// and libunbound write them, the comment `;;state=N`, too.
/// Concurrency: a value; reading is done once, at the start.
/// Fails by: `TrustAnchorFailure`, which names the file, the cause and what to do.
/// Not here: whether the keys are the right ones (the probe).
package struct TrustAnchors: Equatable, Sendable {
    /// Where Debian's package dns-root-data has the root's keys.
    package static let systemPath = "/usr/share/dns/root.key"

    /// One record a line, with nothing in it but letters, digits, blanks and what names and base64 need.
    let records: [String]

    package static func read(path: String = systemPath) throws(TrustAnchorFailure) -> TrustAnchors {
        let bytes: [UInt8]
        do {
            bytes = try SmallFile.read(path, limit: maximumSize + 1)
        } catch {
            throw TrustAnchorFailure(path: path, cause: .unreadable(code: error.code))
        }
        guard bytes.count <= maximumSize else { throw TrustAnchorFailure(path: path, cause: .tooLarge) }
        do throws(TrustAnchorFailure.Cause) {
            return try TrustAnchors(text: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw TrustAnchorFailure(path: path, cause: error)
        }
    }

    /// The root's keys are less than 2,000 octets; a file of many zones' anchors still fits.
    private static let maximumSize = 1 << 20

    package init(text: String) throws(TrustAnchorFailure.Cause) {
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
            do throws(AnchorRecord.Malformed) {
                record = try AnchorRecord(words)
            } catch {
                throw .malformed(line: number, what: error.what)
            }
            if let reason = record.unusable ?? Self.distrust(line[comment...]) {
                unusable = unusable ?? "line \(number): \(reason)"
            } else {
                records.append(record.text)
            }
        }
        guard words.isEmpty else { throw .malformed(line: number, what: "a parenthesis that is not closed") }
        guard !records.isEmpty else { throw unusable.map { .unusable($0) } ?? .empty }
        self.records = records
    }

    /// Blanks separate words, and parentheses are words of their own.
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

    /// RFC 5011 §4: only keys that are valid (2) or missing (3) are trusted.
    private static func distrust(_ comment: Substring) -> String? {
        guard let mark = comment.firstRange(of: ";;state=") else { return nil }
        let state = comment[mark.upperBound...].prefix { $0.isNumber }
        return state == "2" || state == "3" ? nil : "a key in state \(state.prefix(4)) of RFC 5011"
    }
}

/// The trust anchors cannot be had.
package struct TrustAnchorFailure: Error, Equatable, Sendable {
    package enum Cause: Error, Equatable, Sendable {
        /// errno(3).
        case unreadable(code: Int32)
        case tooLarge
        /// Nothing but comments and blank lines.
        case empty
        case malformed(line: Int, what: String)
        /// Records, but none to start from: revoked, or of algorithms that libunbound does not know. It would take
        /// everything for insecure, in silence.
        case unusable(String)
    }

    package let path: String
    package let cause: Cause
}

extension TrustAnchorFailure: CustomStringConvertible {
    package var description: String {
        let path = RemoteText.escaped(path)
        let remedy = "install dns-root-data, or name a file of DS or DNSKEY records in dns.trust-anchor-file"
        return switch cause {
        case .unreadable(let code): "\(path): \(String(cString: strerror(code))); \(remedy)"
        case .tooLarge: "\(path): larger than 1 MiB, no file of trust anchors; \(remedy)"
        case .empty: "\(path): no trust anchor in it; \(remedy)"
        case .malformed(let line, let what): "\(path): line \(line): \(what); \(remedy)"
        case .unusable(let what): "\(path): no trust anchor to start from (\(what)); \(remedy)"
        }
    }
}

/// One DS (RFC 4034 §5.3) or DNSKEY (§2.2) record in text.
private struct AnchorRecord {
    struct Malformed: Error {
        let what: String
    }

    let text: String
    /// Why validation cannot start here.
    let unusable: String?

    init(_ words: [Substring]) throws(Malformed) {
        var words = words[...]
        guard let owner = words.popFirst(), let name = Self.absolute(owner)
        else { throw Malformed(what: "expected a record that begins with a name") }
        // TTL and class, in any order, may be left out.
        while let word = words.first, word.uppercased() == "IN" || UInt32(word) != nil { words.removeFirst() }
        let type = words.popFirst()?.uppercased()
        guard type == "DS" || type == "DNSKEY"
        else { throw Malformed(what: "expected a record of type DS or DNSKEY in class IN") }
        let numbers = words.prefix(3).compactMap { UInt16($0) }
        let data = words.dropFirst(3).joined()
        guard numbers.count == 3, numbers[2] <= 255, !data.isEmpty
        else { throw Malformed(what: "expected three numbers and data after \(type ?? "")") }
        if type == "DS" {
            guard numbers[1] <= 255, data.utf8.count.isMultiple(of: 2), data.utf8.allSatisfy(Self.isHexadecimal)
            else { throw Malformed(what: "expected a digest in hexadecimal digits") }
            unusable = Self.unusableDS(algorithm: numbers[1], digest: numbers[2], length: data.utf8.count / 2)
        } else {
            guard numbers[1] == 3 else { throw Malformed(what: "expected protocol 3 in a DNSKEY") }
            guard data.utf8.allSatisfy(Self.isBase64) else { throw Malformed(what: "expected a key in base64") }
            unusable = Self.unusableKey(flags: numbers[0], algorithm: numbers[2])
        }
        text = "\(name) IN \(type ?? "") \(numbers[0]) \(numbers[1]) \(numbers[2]) \(data)"
    }

    private static func unusableDS(algorithm: UInt16, digest: UInt16, length: Int) -> String? {
        guard algorithms.contains(algorithm) else { return "algorithm \(algorithm)" }
        guard let right = digestLengths[digest] else { return "digest type \(digest)" }
        return length == right ? nil : "a digest of \(length) octets, type \(digest) has \(right)"
    }

    private static func unusableKey(flags: UInt16, algorithm: UInt16) -> String? {
        guard flags & 0x0100 != 0 else { return "not a zone's key" }
        guard flags & 0x0080 == 0 else { return "a revoked key" }
        return algorithms.contains(algorithm) ? nil : "algorithm \(algorithm)"
    }

    /// Those that libunbound validates (RFC 8624 §3.1): RSA with SHA-1, SHA-256, SHA-512; ECDSA; EdDSA.
    private static let algorithms: Set<UInt16> = [5, 7, 8, 10, 13, 14, 15, 16]
    /// SHA-1, SHA-256, SHA-384.
    private static let digestLengths: [UInt16: Int] = [1: 20, 2: 32, 4: 48]

    private static func absolute(_ owner: Substring) -> String? {
        if owner == "." { return "." }
        let bare = owner.last == "." ? owner.dropLast() : owner
        // The text goes into a configuration file, between quotes.
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

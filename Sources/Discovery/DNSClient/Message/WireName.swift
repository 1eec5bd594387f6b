import TextFormats

/// A domain name as labels in lower case, so that equality ignores case (RFC 1035 §2.3.3).
package struct WireName: Hashable, Sendable {
    package internal(set) var labels: [[UInt8]] = []

    /// The name in libunbound's text form. An octet other than a letter, digit, hyphen or underscore becomes `\DDD`. The root
    /// is `.`.
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

    /// The name in wire form without compression (RFC 1035 §3.1).
    package var octets: [UInt8] { labels.flatMap { [UInt8($0.count)] + $0 } + [0] }

    /// Parses a name in text form. `.` is the root; no other name may end with a dot.
    ///
    /// Returns `nil` if a label has 0 or more than 63 octets, the name has more than 255 octets (RFC 1035 §2.3.4), or a
    /// character is not visible ASCII. It rejects a backslash, which is an escape to libunbound.
    package init?(text: String) {
        if text == "." { return }
        var length = 1
        for label in text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard (1...63).contains(label.count),
                label.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\\") })
            else { return nil }
            length += label.count + 1
            labels.append(label.map(\.asciiLowercased))
        }
        guard length <= 255 else { return nil }
    }

    package init() {}

    /// Parses labels up to the root label. Returns `nil` if the octets are not exactly one name.
    init?(uncompressed octets: ArraySlice<UInt8>) {
        var rest = octets
        while let length = rest.popFirst(), length > 0 {
            guard length < 64, rest.count > Int(length) else { return nil }
            labels.append(rest.prefix(Int(length)).map(\.asciiLowercased))
            rest = rest.dropFirst(Int(length))
        }
        guard rest.isEmpty else { return nil }
    }
}

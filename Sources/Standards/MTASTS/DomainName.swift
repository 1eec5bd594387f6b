import TextFormats

/// A host or domain name in normal form: lower-case ASCII without a final dot.
///
/// The grammar is `Domain` of RFC 5321 §4.1.2. Labels consist of letters, digits and hyphens, begin and end with a letter or
/// digit, and are joined by dots. The limits are those of RFC 1035 §2.3.4 (a label 1…63 octets, a name at most 253).
/// A U-label is not a name; convert it with `InternationalDomainName` first.
/// Two spellings that differ in case only are equal.
package struct DomainName: Hashable, Sendable {
    /// Lower-case, without a final dot.
    package let text: String

    /// The longest name in octets that DNS can carry, in text form without the final dot (RFC 1035 §2.3.4).
    package static let maximumLength = 253
    /// The longest label in octets (RFC 1035 §2.3.4).
    package static let maximumLabelLength = 63

    /// Returns `nil` if `octets` do not match `Domain`: empty, too long, an empty label (also a final dot), an underscore, …
    ///
    /// Takes a slice of an array because every lookup calls it, and generic code is several times slower across modules.
    package init?(_ octets: ArraySlice<UInt8>) {
        guard !octets.isEmpty, octets.count <= Self.maximumLength else { return nil }
        var labelLength = 0
        var last = UInt8(ascii: ".")
        for octet in octets {
            switch octet {
            case UInt8(ascii: "."):
                guard labelLength > 0, last != UInt8(ascii: "-") else { return nil }
                labelLength = 0
            case UInt8(ascii: "-"):
                guard labelLength > 0 else { return nil }
                labelLength += 1
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                labelLength += 1
            default:
                return nil
            }
            guard labelLength <= Self.maximumLabelLength else { return nil }
            last = octet
        }
        guard labelLength > 0, last != UInt8(ascii: "-") else { return nil }
        text = String(unsafeUninitializedCapacity: octets.count) { buffer in
            buffer.initialize(fromContentsOf: octets.lazy.map(\.asciiLowercased))
        }
    }

    package init?(_ octets: some Collection<UInt8>) {
        self.init(Array(octets)[...])
    }

    package init?(_ text: some StringProtocol) {
        self.init(Array(text.utf8))
    }

    /// The labels from left to right.
    package var labels: [Substring] { text.split(separator: ".") }

    /// Whether the name has one label only, like `localhost`.
    package var isSingleLabel: Bool { !text.utf8.contains(UInt8(ascii: ".")) }

    /// Whether the last label consists of digits. `192.0.2.1` matches `Domain`, but no top-level domain is numeric
    /// (RFC 3696 §2), so DNS never has such a name.
    package var endsInDigits: Bool {
        text.utf8.reversed().prefix { $0 != UInt8(ascii: ".") }.allSatisfy(\.isDigit)
    }
}

extension DomainName: CustomStringConvertible {
    package var description: String { text }
}

extension DomainName: Comparable {
    package static func < (left: DomainName, right: DomainName) -> Bool { left.text < right.text }
}

/// A host or domain name in the one form everything here compares: lower-case ASCII, no final dot.
///
/// Grammar: `Domain` of RFC 5321 §4.1.2 — labels of letters, digits and hyphens, beginning and ending in a letter or
/// digit, joined by dots — within the limits of RFC 1035 §2.3.4 (a label 1…63 octets, a name at most 253).
/// IDNs are A-labels by the time they get here (room IDNA); a U-label is not a name.
/// Two spellings that differ in case only are one value.
package struct DomainName: Hashable, Sendable {
    /// The name as text, lower-case, without a final dot.
    package let text: String

    /// The longest name in octets that DNS can carry, in text form without the final dot (RFC 1035 §2.3.4).
    package static let maximumLength = 253
    /// The longest label in octets (RFC 1035 §2.3.4).
    package static let maximumLabelLength = 63

    /// `nil` when `octets` are no `Domain`: empty, too long, an empty label (so also a final dot), an underscore, …
    ///
    /// A slice of an array, and not any collection: every lookup comes through here, and across a room's border generic
    /// code is several times slower.
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

    /// Whether the last label is all digits: dotted digits such as `192.0.2.1` are a `Domain` by grammar, but no
    /// top-level domain is numeric (RFC 3696 §2), so such a text is never a name that DNS has.
    package var endsInDigits: Bool {
        text.utf8.reversed().prefix { $0 != UInt8(ascii: ".") }.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        }
    }
}

extension DomainName: CustomStringConvertible {
    package var description: String { text }
}

extension DomainName: Comparable {
    package static func < (left: DomainName, right: DomainName) -> Bool { left.text < right.text }
}

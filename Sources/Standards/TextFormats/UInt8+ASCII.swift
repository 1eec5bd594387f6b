/// The octet classes of RFC 5234, Appendix B.1.
///
/// Inlinable, because parsers of other modules call them for each octet.
extension UInt8 {
    /// `ALPHA / DIGIT`.
    @inlinable package var isAlphanumeric: Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(asciiLowercased) || isDigit
    }

    /// `DIGIT`.
    @inlinable package var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    /// `WSP`: space or tab.
    @inlinable package var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }

    /// `CTL`: 0x00…0x1F and 0x7F. A tab is one.
    @inlinable package var isControl: Bool { self < 0x20 || self == 0x7F }

    /// The lower-case octet of an ASCII letter; any other octet unchanged.
    @inlinable package var asciiLowercased: UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self
    }
}

extension Collection<UInt8> {
    /// Compares octet by octet. Case matters (`%s` of RFC 7405), and Unicode equivalence does not apply.
    @inlinable package func equals(_ literal: StaticString) -> Bool {
        count == literal.utf8CodeUnitCount && starts(with: literal)
    }

    /// Whether this begins with the octets of `literal`.
    @inlinable package func starts(with literal: StaticString) -> Bool {
        literal.withUTF8Buffer { starts(with: $0) }
    }
}

extension BidirectionalCollection<UInt8> {
    /// The octets before the blanks at the end.
    @inlinable package var withoutTrailingBlanks: SubSequence {
        var end = endIndex
        while end > startIndex, self[index(before: end)].isBlank { end = index(before: end) }
        return self[..<end]
    }
}

/// The octet classes of RFC 5234 Appendix B.1 and RFC 8461 §3.1, §3.2, and comparison without Unicode.
extension UInt8 {
    /// `ALPHA / DIGIT`.
    var isAlphanumeric: Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(asciiLowercased) || isDigit
    }

    /// `DIGIT`.
    var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    /// `WSP`: space or tab.
    var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }

    /// `CTL`: 0x00…0x1F and 0x7F. A tab is one.
    var isControl: Bool { self < 0x20 || self == 0x7F }

    /// What may follow the first octet of an extension's name, in a record as in a policy.
    var isExtensionNameTail: Bool {
        isAlphanumeric || self == UInt8(ascii: "_") || self == UInt8(ascii: "-") || self == UInt8(ascii: ".")
    }

    /// ASCII letters folded to lower case; any other octet as it is.
    var asciiLowercased: UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self
    }
}

extension Collection<UInt8> {
    /// Octet for octet, so case counts (`%s` of RFC 7405) and no two spellings of one character are equal.
    func equals(_ literal: StaticString) -> Bool {
        count == literal.utf8CodeUnitCount && starts(with: literal)
    }

    /// Whether the octets of `literal` come first.
    func starts(with literal: StaticString) -> Bool {
        literal.withUTF8Buffer { starts(with: $0) }
    }
}

extension BidirectionalCollection<UInt8> {
    /// Without the blanks at the end.
    var withoutTrailingBlanks: SubSequence {
        var end = endIndex
        while end > startIndex, self[index(before: end)].isBlank { end = index(before: end) }
        return self[..<end]
    }
}

/// The longest name of an extension in octets: one letter or digit and 31 more (RFC 8461 §3.1, §3.2).
let maximumExtensionNameLength = 32

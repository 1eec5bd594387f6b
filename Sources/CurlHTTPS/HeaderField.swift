/// A field of a response's header, and whether its notation leaves no doubt.
struct HeaderField: Equatable {
    /// Without blanks around it, ASCII letters in lower case. No other letters are folded: libcurl compares octets.
    let name: [UInt8]
    /// Without blanks around it.
    private(set) var value: [UInt8]
    /// Whether it stands on one line, without a blank before the colon (RFC 9112 §5.1, §5.2). libcurl does not know a field
    /// whose colon stands after a blank, and of a folded field it reads the first line only.
    private(set) var isUnambiguous: Bool

    /// - Parameter line: without its line end. `nil` for a line without a colon.
    init?(line: some BidirectionalCollection<UInt8>) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let name = line[..<colon]
        self.name = name.trimmed.map(\.lowercased)
        value = line[line.index(after: colon)...].trimmed
        isUnambiguous = name.first?.isBlank == false && name.last?.isBlank == false
    }

    /// Goes on with a folded line (RFC 9112 §5.2).
    mutating func append(folded line: some BidirectionalCollection<UInt8>) {
        value = (value + [UInt8(ascii: " ")] + line.trimmed).trimmed
        isUnambiguous = false
    }

    func isNamed(_ name: StaticString) -> Bool {
        name.withUTF8Buffer { self.name.elementsEqual($0) }
    }

    /// The members of a comma-separated list without the empty ones, ASCII letters in lower case (RFC 9110 §5.6.1).
    var members: [[UInt8]] {
        value.split(separator: UInt8(ascii: ",")).map { $0.trimmed.map(\.lowercased) }.filter { !$0.isEmpty }
    }
}

extension UInt8 {
    /// Space or tab.
    var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }

    /// ASCII letters folded to lower case; any other octet as it is.
    fileprivate var lowercased: UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self
    }
}

extension BidirectionalCollection<UInt8> {
    /// Without blanks around.
    fileprivate var trimmed: [UInt8] {
        Array(drop(while: \.isBlank).reversed().drop(while: \.isBlank).reversed())
    }
}

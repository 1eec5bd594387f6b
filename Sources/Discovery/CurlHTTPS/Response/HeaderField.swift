import TextFormats

/// A header field of a response.
struct HeaderField: Equatable {
    /// Without surrounding blanks, with ASCII letters in lower case. Other letters are unchanged, because libcurl compares octets.
    let name: [UInt8]
    /// Without surrounding blanks.
    private(set) var value: [UInt8]
    /// Whether the field is one line, without a blank before the colon (RFC 9112 §5.1, §5.2). libcurl ignores a field with a
    /// blank before the colon, and reads only the first line of a folded field.
    private(set) var isUnambiguous: Bool

    /// Returns `nil` if there is no colon.
    ///
    /// - Parameter line: Without its line end.
    init?(line: some BidirectionalCollection<UInt8>) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let name = line[..<colon]
        self.name = name.trimmed.map(\.asciiLowercased)
        value = line[line.index(after: colon)...].trimmed
        isUnambiguous = name.first?.isBlank == false && name.last?.isBlank == false
    }

    /// Appends a folded line (RFC 9112 §5.2).
    mutating func append(folded line: some BidirectionalCollection<UInt8>) {
        value = (value + [UInt8(ascii: " ")] + line.trimmed).trimmed
        isUnambiguous = false
    }

    func isNamed(_ name: StaticString) -> Bool {
        name.withUTF8Buffer { self.name.elementsEqual($0) }
    }

    /// The non-empty members of a comma-separated list, with ASCII letters in lower case (RFC 9110 §5.6.1).
    var members: [[UInt8]] {
        value.split(separator: UInt8(ascii: ",")).map { $0.trimmed.map(\.asciiLowercased) }.filter { !$0.isEmpty }
    }
}

extension BidirectionalCollection<UInt8> {
    fileprivate var trimmed: [UInt8] {
        Array(drop(while: \.isBlank).reversed().drop(while: \.isBlank).reversed())
    }
}

import TextFormats

/// Parses the `sts-text-record` of RFC 8461 §3.1 from left to right in linear time.
///
/// Not here: the choice among several records (`STSRecord.select`).
struct RecordParser {
    static let version: StaticString = "v=STSv1"

    private let octets: [UInt8]
    private var position = 0
    private var id: RecordID?

    init(_ octets: [UInt8]) {
        self.octets = octets
    }

    /// Parses `sts-version 1*(sts-field-delim sts-field) [sts-field-delim]`.
    mutating func parse() throws(RecordError) -> RecordID {
        try parseVersion()
        try checkRepertoire()
        var fields = 0
        while try parseDelimiter(), !isAtEnd {
            try parseField()
            fields += 1
        }
        guard fields > 0 else { throw error(.noField) }
        guard let id else { throw error(.missingID) }
        return id
    }

    /// Parses `%s"v=STSv1"`. A longer word, such as `v=STSv10`, is another version.
    private mutating func parseVersion() throws(RecordError) {
        guard octets.starts(with: Self.version) else { throw error(.notVersion) }
        position = Self.version.utf8CodeUnitCount
        if let next, next.isExtensionNameTail { throw RecordError(offset: 0, reason: .notVersion) }
    }

    /// Checks all octets, also those of ignored fields: the record "MUST be US-ASCII".
    private func checkRepertoire() throws(RecordError) {
        let bad = octets.firstIndex { $0 > 0x7E || ($0.isControl && !$0.isBlank) }
        if let bad { throw RecordError(offset: bad, reason: .forbiddenOctet) }
    }

    /// Parses `*WSP ";" *WSP`. Returns `false` at the end of the record. Blanks alone are not a delimiter.
    private mutating func parseDelimiter() throws(RecordError) -> Bool {
        guard !isAtEnd else { return false }
        skip(while: \.isBlank)
        guard next == UInt8(ascii: ";") else { throw error(.missingDelimiter) }
        position += 1
        skip(while: \.isBlank)
        return true
    }

    /// Parses `sts-id / sts-extension`. Compares the whole name, so `x-id` is an extension.
    private mutating func parseField() throws(RecordError) {
        let name = try parseName()
        guard name.equals("id") else { return try parseExtensionValue() }
        if id == nil {
            id = try parseID()
        } else {
            // §3.2, last paragraph: ignore all but the first id, whatever their values (D3, D11).
            skip { $0 != UInt8(ascii: ";") }
        }
    }

    /// Parses `sts-ext-name "="`. `id=` matches it too.
    private mutating func parseName() throws(RecordError) -> ArraySlice<UInt8> {
        guard next != UInt8(ascii: ";") else { throw error(.emptyField) }
        guard let first = next, first.isAlphanumeric else { throw error(.badFieldName) }
        let start = position
        skip(while: \.isExtensionNameTail)
        let name = octets[start..<position]
        guard name.count <= ExtensionName.maximumLength else {
            throw RecordError(offset: start + ExtensionName.maximumLength, reason: .fieldNameTooLong)
        }
        guard next == UInt8(ascii: "=") else {
            throw error(isAtFieldEnd ? .missingEquals : .badFieldName)
        }
        position += 1
        return name
    }

    /// Parses `1*32(ALPHA / DIGIT)`.
    private mutating func parseID() throws(RecordError) -> RecordID {
        let start = position
        skip(while: \.isAlphanumeric)
        guard isAtFieldEnd else { throw error(.badIDCharacter) }
        guard position > start else { throw error(.emptyID) }
        guard let id = RecordID(octets[start..<position]) else {
            throw RecordError(offset: start + RecordID.maximumLength, reason: .idTooLong)
        }
        return id
    }

    /// Parses `1*(%x21-3A / %x3C / %x3E-7E)`: any visible characters except `;` and `=`.
    private mutating func parseExtensionValue() throws(RecordError) {
        let start = position
        skip { !$0.isBlank && $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: "=") }
        guard isAtFieldEnd else { throw error(.badValue) }
        guard position > start else { throw error(.emptyValue) }
    }

    private var isAtEnd: Bool { position == octets.count }
    private var next: UInt8? { isAtEnd ? nil : octets[position] }

    /// Whether the next octet may follow a field: a blank, a semicolon, or the end.
    private var isAtFieldEnd: Bool {
        guard let next else { return true }
        return next.isBlank || next == UInt8(ascii: ";")
    }

    private mutating func skip(while matches: (UInt8) -> Bool) {
        while position < octets.count, matches(octets[position]) { position += 1 }
    }

    private func error(_ reason: RecordError.Reason) -> RecordError {
        RecordError(offset: position, reason: reason)
    }
}

/// The names of extension fields, in a record and in a policy (RFC 8461 §3.1, §3.2).
enum ExtensionName {
    /// In octets: one letter or digit and 31 more.
    static let maximumLength = 32
}

extension UInt8 {
    /// Whether the octet may follow the first one of an extension name.
    var isExtensionNameTail: Bool {
        isAlphanumeric || self == UInt8(ascii: "_") || self == UInt8(ascii: "-") || self == UInt8(ascii: ".")
    }
}

/// `sts-text-record` of RFC 8461 §3.1, from left to right, each octet looked at a fixed number of times.
///
/// Not here: which of several records to read (`STSRecord.select`).
struct RecordParser {
    static let version: StaticString = "v=STSv1"

    private let octets: [UInt8]
    private var position = 0
    private var id: RecordID?

    init(_ octets: [UInt8]) {
        self.octets = octets
    }

    /// `sts-version 1*(sts-field-delim sts-field) [sts-field-delim]`
    mutating func parse() throws(RecordError) -> RecordID {
        try parseVersion()
        try checkRepertoire()
        var fields = 0
        while try parseDelimiter(), !isAtEnd {
            try parseField()
            fields += 1
        }
        guard fields > 0 else { throw fault(.noField) }
        guard let id else { throw fault(.missingID) }
        return id
    }

    /// `%s"v=STSv1"`, and no longer word that begins so.
    private mutating func parseVersion() throws(RecordError) {
        guard octets.starts(with: Self.version) else { throw fault(.notVersion) }
        position = Self.version.utf8CodeUnitCount
        if let next, next.isExtensionNameTail { throw RecordError(offset: 0, reason: .notVersion) }
    }

    /// "MUST be US-ASCII": whatever part of the record is left unread later, this holds for all of it.
    private func checkRepertoire() throws(RecordError) {
        let bad = octets.firstIndex { $0 > 0x7E || ($0.isControl && !$0.isBlank) }
        if let bad { throw RecordError(offset: bad, reason: .forbiddenOctet) }
    }

    /// `*WSP ";" *WSP`; `false` at the end of the record. Blanks alone are no delimiter.
    private mutating func parseDelimiter() throws(RecordError) -> Bool {
        guard !isAtEnd else { return false }
        skip(while: \.isBlank)
        guard next == UInt8(ascii: ";") else { throw fault(.missingDelimiter) }
        position += 1
        skip(while: \.isBlank)
        return true
    }

    /// `sts-id / sts-extension`. The whole name decides, so `x-id` is an extension.
    private mutating func parseField() throws(RecordError) {
        let name = try parseName()
        guard name.equals("id") else { return try parseExtensionValue() }
        if id == nil {
            id = try parseID()
        } else {
            // §3.2, last paragraph: all entries but the first are ignored, whatever their value (D3, D11).
            skip { $0 != UInt8(ascii: ";") }
        }
    }

    /// `sts-ext-name "="`, of which `id=` is one.
    private mutating func parseName() throws(RecordError) -> ArraySlice<UInt8> {
        guard next != UInt8(ascii: ";") else { throw fault(.emptyField) }
        guard let first = next, first.isAlphanumeric else { throw fault(.badFieldName) }
        let start = position
        skip(while: \.isExtensionNameTail)
        let name = octets[start..<position]
        guard name.count <= maximumExtensionNameLength else {
            throw RecordError(offset: start + maximumExtensionNameLength, reason: .fieldNameTooLong)
        }
        guard next == UInt8(ascii: "=") else {
            throw fault(isAtFieldEnd ? .missingEquals : .badFieldName)
        }
        position += 1
        return name
    }

    /// `1*32(ALPHA / DIGIT)`
    private mutating func parseID() throws(RecordError) -> RecordID {
        let start = position
        skip(while: \.isAlphanumeric)
        guard isAtFieldEnd else { throw fault(.badIDCharacter) }
        guard position > start else { throw fault(.emptyID) }
        guard let id = RecordID(octets[start..<position]) else {
            throw RecordError(offset: start + RecordID.maximumLength, reason: .idTooLong)
        }
        return id
    }

    /// `1*(%x21-3A / %x3C / %x3E-7E)`: any visible character but `;` and `=`.
    private mutating func parseExtensionValue() throws(RecordError) {
        let start = position
        skip { !$0.isBlank && $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: "=") }
        guard isAtFieldEnd else { throw fault(.badValue) }
        guard position > start else { throw fault(.emptyValue) }
    }

    private var isAtEnd: Bool { position == octets.count }
    private var next: UInt8? { isAtEnd ? nil : octets[position] }

    /// At the end, a blank or a semicolon: what may follow a field.
    private var isAtFieldEnd: Bool {
        guard let next else { return true }
        return next.isBlank || next == UInt8(ascii: ";")
    }

    private mutating func skip(while belongs: (UInt8) -> Bool) {
        while position < octets.count, belongs(octets[position]) { position += 1 }
    }

    private func fault(_ reason: RecordError.Reason) -> RecordError {
        RecordError(offset: position, reason: reason)
    }
}

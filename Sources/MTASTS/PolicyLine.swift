/// One line of a policy, `sts-policy-field *WSP` of RFC 8461 §3.2, as key and value without the blanks around it.
///
/// Everything that holds for any line is checked here; what a value means is `PolicyParser`'s.
struct PolicyLine {
    let key: ArraySlice<UInt8>
    let value: ArraySlice<UInt8>

    /// - Parameter octets: without the line's terminator; not blank.
    init(_ octets: ArraySlice<UInt8>) throws(PolicyError.Reason) {
        if octets.contains(UInt8(ascii: "\r")) { throw .loneCarriageReturn }
        if octets.contains(where: { $0.isControl && !$0.isBlank }) { throw .controlCharacter }
        // No folding as in mail header fields: a line never continues the one before.
        if let first = octets.first, first.isBlank { throw .blankBeforeKey }
        // A value may have colons of its own (STS-3.2-z).
        guard let colon = octets.firstIndex(of: UInt8(ascii: ":")) else { throw .missingColon }
        key = octets[..<colon]
        value = octets[octets.index(after: colon)...].drop(while: \.isBlank).withoutTrailingBlanks
        try checkKey()
        try checkUTF8()
    }

    /// `sts-policy-ext-name`, of which the known keys are four.
    private func checkKey() throws(PolicyError.Reason) {
        if let last = key.last, last.isBlank { throw .blankBeforeColon }
        guard let first = key.first, first.isAlphanumeric, key.allSatisfy(\.isExtensionNameTail) else { throw .badKey }
        guard key.count <= maximumExtensionNameLength else { throw .keyTooLong }
    }

    /// `UTF8-2 / UTF8-3 / UTF8-4` of RFC 3629 §4: no overlong form, no surrogate, nothing above U+10FFFF.
    private func checkUTF8() throws(PolicyError.Reason) {
        var decoder = UTF8()
        var octets = value.makeIterator()
        while true {
            switch decoder.decode(&octets) {
            case .scalarValue: continue
            case .emptyInput: return
            case .error: throw .invalidUTF8
            }
        }
    }

    /// `sts-policy-ext-value`: something, and no tab within it.
    func checkExtensionValue() throws(PolicyError.Reason) {
        if value.isEmpty { throw .emptyValue }
        if value.contains(UInt8(ascii: "\t")) { throw .controlCharacter }
    }
}

extension PolicyError.Reason: Error {}

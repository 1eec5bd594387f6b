import TextFormats

/// One line of a policy, `sts-policy-field *WSP` of RFC 8461 §3.2: key and value without the blanks around them.
///
/// Checks the rules for all lines. `PolicyParser` interprets the values.
struct PolicyLine {
    let key: ArraySlice<UInt8>
    let value: ArraySlice<UInt8>

    /// - Parameter octets: The line without its terminator; not blank.
    init(_ octets: ArraySlice<UInt8>) throws(PolicyLineError) {
        if octets.contains(UInt8(ascii: "\r")) { throw PolicyLineError(.loneCarriageReturn) }
        if octets.contains(where: { $0.isControl && !$0.isBlank }) { throw PolicyLineError(.controlCharacter) }
        // A line never continues the line before; there is no folding as in mail header fields.
        if let first = octets.first, first.isBlank { throw PolicyLineError(.blankBeforeKey) }
        // A value may contain colons (STS-3.2-z).
        guard let colon = octets.firstIndex(of: UInt8(ascii: ":")) else { throw PolicyLineError(.missingColon) }
        key = octets[..<colon]
        value = octets[octets.index(after: colon)...].drop(while: \.isBlank).withoutTrailingBlanks
        try checkKey()
        try checkUTF8()
    }

    /// Checks for `sts-policy-ext-name`. The known keys match it too.
    private func checkKey() throws(PolicyLineError) {
        if let last = key.last, last.isBlank { throw PolicyLineError(.blankBeforeColon) }
        guard let first = key.first, first.isAlphanumeric, key.allSatisfy(\.isExtensionNameTail) else {
            throw PolicyLineError(.badKey)
        }
        guard key.count <= ExtensionName.maximumLength else { throw PolicyLineError(.keyTooLong) }
    }

    /// Checks for `UTF8-2 / UTF8-3 / UTF8-4` of RFC 3629 §4: no overlong form, no surrogate, nothing above U+10FFFF.
    private func checkUTF8() throws(PolicyLineError) {
        if value.allSatisfy({ $0 < 0x80 }) { return }
        var decoder = UTF8()
        var octets = value.makeIterator()
        while true {
            switch decoder.decode(&octets) {
            case .scalarValue: continue
            case .emptyInput: return
            case .error: throw PolicyLineError(.invalidUTF8)
            }
        }
    }

    /// Checks for `sts-policy-ext-value`: not empty, without tabs.
    func checkExtensionValue() throws(PolicyLineError) {
        if value.isEmpty { throw PolicyLineError(.emptyValue) }
        if value.contains(UInt8(ascii: "\t")) { throw PolicyLineError(.controlCharacter) }
    }
}

/// An error in one line. `PolicyParser` adds the line number.
struct PolicyLineError: Error {
    let reason: PolicyError.Reason

    init(_ reason: PolicyError.Reason) { self.reason = reason }
}

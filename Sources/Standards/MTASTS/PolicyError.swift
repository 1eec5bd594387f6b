/// A body is not an MTA-STS policy.
///
/// The description names the line and the rule. It never contains text of the body, so it needs no escaping.
package struct PolicyError: Error, Hashable, Sendable {
    /// Counted from 1; `nil` if a required key is missing.
    package let line: Int?
    package let reason: Reason

    package enum Reason: Hashable, Sendable, CaseIterable {
        case missingVersion
        case missingMode
        case missingMaxAge
        /// There is no `mx`, and the mode is not `none`.
        case missingMX

        case unsupportedVersion
        case unknownMode
        /// `max_age` is not 1…10 digits.
        case badMaxAge
        case badMX

        /// The body begins with a UTF-8 byte-order mark.
        case byteOrderMark
        /// A carriage return without a line feed after it.
        case loneCarriageReturn
        /// A control character, also a tab in a value.
        case controlCharacter
        case blankBeforeKey
        case blankBeforeColon
        case missingColon
        case badKey
        case keyTooLong
        case emptyValue
        case invalidUTF8
    }
}

extension PolicyError: CustomStringConvertible {
    package var description: String {
        guard let line else { return reason.text }
        return "line \(line): \(reason.text)"
    }
}

extension PolicyError.Reason {
    fileprivate var text: String {
        switch self {
        case .missingVersion: "no version"
        case .missingMode: "no mode"
        case .missingMaxAge: "no max_age"
        case .missingMX: "no mx, and the mode is not none"
        case .unsupportedVersion: "the version is not STSv1"
        case .unknownMode: "the mode is not enforce, testing or none"
        case .badMaxAge: "max_age is not a number of 1 to 10 digits"
        case .badMX: "mx is not a host name, with or without a leading '*.'"
        case .byteOrderMark: "the file begins with a byte-order mark"
        case .loneCarriageReturn: "a carriage return without a line feed"
        case .controlCharacter: "a control character"
        case .blankBeforeKey: "a blank before the key"
        case .blankBeforeColon: "a blank before the colon"
        case .missingColon: "no colon"
        case .badKey: "a key with a character other than letters, digits, '_', '-' and '.'"
        case .keyTooLong: "a key of more than \(ExtensionName.maximumLength) characters"
        case .emptyValue: "a key without a value"
        case .invalidUTF8: "a value that is not UTF-8"
        }
    }
}

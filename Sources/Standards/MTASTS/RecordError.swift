/// A TXT record is not an MTA-STS record.
///
/// The description names the position and the rule. It never contains text of the record, so it needs no escaping.
package struct RecordError: Error, Hashable, Sendable {
    /// The octet at which parsing stopped, counted from 0; the length of the record if it ended too soon.
    package let offset: Int
    package let reason: Reason

    package enum Reason: Hashable, Sendable, CaseIterable {
        /// The record does not begin with the version field.
        case notVersion
        /// A control character other than tab, or an octet above 0x7E.
        case forbiddenOctet
        /// A field is not followed by `;` or the end.
        case missingDelimiter
        /// Nothing follows the version.
        case noField
        /// A `;` without a field before it.
        case emptyField
        /// A field name contains or begins with a forbidden octet.
        case badFieldName
        case fieldNameTooLong
        /// A field name is not followed by `=`.
        case missingEquals
        case emptyValue
        /// An `=` in the value of an extension.
        case badValue
        case emptyID
        case idTooLong
        case badIDCharacter
        /// There are fields, but no `id`.
        case missingID
    }
}

extension RecordError: CustomStringConvertible {
    package var description: String { "octet \(offset): \(reason.text)" }
}

extension RecordError.Reason {
    fileprivate var text: String {
        switch self {
        case .notVersion: "the record does not begin with v=STSv1"
        case .forbiddenOctet: "a control character or a non-ASCII octet"
        case .missingDelimiter: "something other than a semicolon after a field"
        case .noField: "no field after the version"
        case .emptyField: "an empty field"
        case .badFieldName: "a field name with a character other than letters, digits, '_', '-' and '.'"
        case .fieldNameTooLong: "a field name of more than \(ExtensionName.maximumLength) characters"
        case .missingEquals: "no '=' directly after a field name"
        case .emptyValue: "a field without a value"
        case .badValue: "a field value with '=' in it"
        case .emptyID: "an empty id"
        case .idTooLong: "an id of more than \(RecordID.maximumLength) characters"
        case .badIDCharacter: "an id with a character other than letters and digits"
        case .missingID: "no id"
        }
    }
}

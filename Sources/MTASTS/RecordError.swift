/// Why a TXT record is not an MTA-STS record: where, and what is wrong there.
///
/// The description names positions and rules, never the record's own text, so it may be shown as it is.
package struct RecordError: Error, Hashable, Sendable {
    /// The octet at which the reading stopped, counted from 0; the record's length where it ended too soon.
    package let offset: Int
    package let reason: Reason

    /// One case for each way to be wrong.
    package enum Reason: Hashable, Sendable, CaseIterable {
        /// The record does not begin with the version field.
        case notVersion
        /// A control character other than tab, or an octet above 0x7E.
        case forbiddenOctet
        /// Something else where a `;` or the end must be.
        case missingDelimiter
        /// Nothing follows the version.
        case noField
        /// A `;` that ends no field.
        case emptyField
        /// A field's name begins with or holds an octet that names cannot.
        case badFieldName
        case fieldNameTooLong
        /// A field without `=` directly behind its name.
        case missingEquals
        case emptyValue
        /// An `=` within the value of an extension.
        case badValue
        case emptyID
        case idTooLong
        case badIDCharacter
        /// Fields, but no `id` among them.
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
        case .fieldNameTooLong: "a field name of more than \(maximumExtensionNameLength) characters"
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

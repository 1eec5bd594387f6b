import MTASTS
import PolicyService

/// Why a line is not taken. What the line itself says is escaped in it, and cut.
package enum LineFault: Error, Equatable, Sendable {
    case tooLong
    case nul
    case notJSON
    case notObject
    case missing(field: String)
    case wrongType(field: String, expected: String)
    case badDomain(String)
    case badID(String)
    case badTime(field: String, String)
    case badBase64
    case noText
    case twoTexts
    case textTooLong(octets: Int)
    case invalid(PolicyError)
    /// `max_age: 0` is for the delivery at hand only (RFC 8461 §3.2).
    case noLife
}

extension LineFault: CustomStringConvertible {
    /// What, why, what was expected.
    package var description: String {
        switch self {
        case .tooLong: "longer than \(TransferFormat.maximumLine) octets, which no line of an export is"
        case .nul: "has a NUL octet; expected JSON in UTF-8"
        case .notJSON: "not JSON, or cut off; expected one JSON object on one line"
        case .notObject: "not a JSON object; expected one, in braces"
        case .missing(let field): "has no '\(field)'"
        case .wrongType(let field, let expected): "'\(field)' is not \(expected)"
        case .badDomain(let text):
            "'domain' is \"\(text)\"; expected a domain name in ASCII (xn--… for others) with at least one dot"
        case .badID(let text):
            "'id' is \"\(text)\"; expected 1 to \(RecordID.maximumLength) letters and digits"
        case .badTime(let field, let text): "'\(field)' is \"\(text)\"; expected \(RFC3339.expected)"
        case .badBase64: "'policy-base64' is not base64"
        case .noText: "has neither 'policy' nor 'policy-base64'"
        case .twoTexts: "has both 'policy' and 'policy-base64'; expected one of them"
        case .textTooLong(let octets):
            "the policy has \(octets) octets; expected at most \(TransferFormat.maximumText)"
        case .invalid(let error): "the policy is invalid: \(error)"
        case .noLife: "the policy has max_age 0, which cannot be kept"
        }
    }
}

/// A line that was not imported.
package struct LineRefusal: Equatable, Sendable {
    /// Counted from 1.
    package let line: Int
    package let fault: LineFault
}

extension LineRefusal: CustomStringConvertible {
    package var description: String { "line \(line): \(fault)" }
}

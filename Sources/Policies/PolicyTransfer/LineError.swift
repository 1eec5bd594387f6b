import MTASTS
import PolicyCaching
import TextFormats

/// Why the import refuses a line. Text of the line is escaped and truncated.
package enum LineError: Error, Equatable, Sendable {
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
    /// A policy with `max_age: 0` is for one delivery only (RFC 8461 §3.2).
    case zeroMaxAge
}

extension LineError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong: "longer than \(TransferFormat.maximumLine) octets; no line of an export is that long"
        case .nul: "has a NUL octet; expected JSON in UTF-8"
        case .notJSON: "not JSON, or truncated; expected one JSON object on one line"
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
        case .zeroMaxAge: "the policy has max_age 0, so it cannot be cached"
        }
    }
}

/// A line that the import did not accept.
package struct RefusedLine: Equatable, Sendable {
    /// Counted from 1.
    package let number: Int
    package let error: LineError
}

extension RefusedLine: CustomStringConvertible {
    package var description: String { "line \(number): \(error)" }
}

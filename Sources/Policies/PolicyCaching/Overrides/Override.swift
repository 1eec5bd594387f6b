import MTASTS
import TextFormats

/// An override of one domain by the operator. It does not apply to subdomains.
///
/// It has precedence over policies and DANE, and ends at `until` by wall time. For every value, `reason` and `author` are
/// 1…`maximumTextLength` printable characters and not blank, each name of a pin is a possible name of an MX host, and `until` is
/// after `since`.
package struct Override: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// As if the domain had neither MTA-STS nor DANE: not found, or `may` if Postfix's own level would defer the mail.
        case exempt(mayEncrypt: Bool)
        /// Authenticated TLS with these names. Without names, with those of the policy, whatever its mode.
        case pin([MXPattern])

        package var category: Category {
            switch self {
            case .exempt: .exemption
            case .pin: .pin
            }
        }
    }

    /// The kind without its values.
    package enum Category: CaseIterable, Sendable {
        case exemption, pin
    }

    package let domain: PolicyDomain
    package let kind: Kind
    /// The operator's reason, for `exempt list` and the log.
    package let reason: String
    /// The operator: the user name of the admin socket's peer.
    package let author: String
    package let since: WallTime
    /// When the override ends; `nil`: when it is removed.
    package let until: WallTime?

    /// The maximum length of `reason` and `author`, in Unicode scalars.
    package static let maximumTextLength = 200
    /// The end of the year 9999.
    private static let latest = WallTime(milliseconds: 253_402_300_799_999)
    /// More names than any MX set has.
    static let maximumNames = 100

    package init(
        domain: PolicyDomain, kind: Kind, reason: String, author: String, since: WallTime, until: WallTime? = nil
    ) throws(OverrideValueError) {
        guard Self.isText(reason) else { throw .reason }
        guard Self.isText(author) else { throw .author }
        if let until, until <= since || until > Self.latest { throw .end }
        if case .pin(let names) = kind {
            guard names.count <= Self.maximumNames else { throw .tooManyNames }
            if let name = names.first(where: { !$0.canNameHost }) { throw .name(name) }
        }
        self.domain = domain
        self.kind = kind
        self.reason = reason
        self.author = author
        self.since = since
        self.until = until
    }

    /// Whether the text is printable, not blank and not too long. Security: it cannot contain terminal escape sequences.
    static func isText(_ text: String) -> Bool {
        let scalars = text.unicodeScalars
        return scalars.count <= maximumTextLength && scalars.allSatisfy(\.isPrintable)
            && scalars.contains { !$0.properties.isWhitespace }
    }

    package func applies(at now: WallTime) -> Bool { until.map { now < $0 } ?? true }
}

/// Why an override is invalid.
package enum OverrideValueError: Error, Equatable, Sendable {
    /// Empty, blank, too long, or not printable.
    case reason
    case author
    /// The end is before the beginning, or after the year 9999.
    case end
    /// This is not a possible name of an MX host.
    case name(MXPattern)
    case tooManyNames
}

extension OverrideValueError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .reason: "the reason must be 1 to \(Override.maximumTextLength) printable characters, and not blank"
        case .author: "the author must be 1 to \(Override.maximumTextLength) printable characters"
        case .end: "the end must be later than now, and before the year 10000"
        case .name(let name): "no MX host can be named \(name): give names like mx.example.com or *.example.com"
        case .tooManyNames: "more than \(Override.maximumNames) names"
        }
    }
}

extension Override.Kind: CustomStringConvertible {
    /// For the log: `exempt`, `exempt as may`, `pin`, `pin mx.example.com,*.example.net`.
    package var description: String {
        switch self {
        case .exempt(let mayEncrypt): mayEncrypt ? "exempt as may" : "exempt"
        case .pin(let names): names.isEmpty ? "pin" : "pin \(names.map(\.description).joined(separator: ","))"
        }
    }
}

extension Unicode.Scalar {
    /// Whether it is neither a control character nor one that changes how others are displayed.
    fileprivate var isPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}

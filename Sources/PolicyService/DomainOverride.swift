import MTASTS

/// What the operator has ordered for one domain; its subdomains are other domains.
///
/// It goes before everything that was found out, and ends at `until` by wall time.
/// Holds for every value: `reason` and `author` are 1…`longestText` printable characters and not blank, each name of a
/// pin can be that of an MX host, `until` is after `since`.
package struct DomainOverride: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// As if the domain had neither MTA-STS nor DANE: not found, or `may` where Postfix's own level would hold the mail.
        case exempt(mayEncrypt: Bool)
        /// Authenticated TLS, by these names; without names by those of the policy, whatever its mode.
        case pin([MXPattern])
    }

    package let domain: PolicyDomain
    package let kind: Kind
    /// Why, in the operator's words.
    package let reason: String
    /// Who ordered it, as the socket's peer was found to be.
    package let author: String
    package let since: WallTime
    /// From this moment on it is not applied any more; `nil`: until it is removed.
    package let until: WallTime?

    /// In Unicode scalars.
    package static let longestText = 200
    /// The end of the year 9999.
    private static let latest = WallTime(milliseconds: 253_402_300_799_999)
    /// More names than any MX set has.
    static let maximumNames = 100

    package init(
        domain: PolicyDomain, kind: Kind, reason: String, author: String, since: WallTime, until: WallTime? = nil
    ) throws(OverrideFault) {
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

    /// Whether it is one that a person can have written, and that leaves a terminal as it is.
    static func isText(_ text: String) -> Bool {
        let scalars = text.unicodeScalars
        return scalars.count <= longestText && scalars.allSatisfy(\.isPrintable)
            && scalars.contains { !$0.properties.isWhitespace }
    }

    package func applies(at now: WallTime) -> Bool { until.map { now < $0 } ?? true }
}

/// Why something cannot be ordered for a domain.
package enum OverrideFault: Error, Equatable, Sendable {
    /// Empty or blank, too long, or with characters that cannot be printed.
    case reason
    case author
    /// It would end before it begins, or after the year 9999.
    case end
    /// No MX host can have this name.
    case name(MXPattern)
    case tooManyNames
}

extension OverrideFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .reason: "the reason must be 1 to \(DomainOverride.longestText) printable characters, and not blank"
        case .author: "the author must be 1 to \(DomainOverride.longestText) printable characters"
        case .end: "the end must be later than now, and before the year 10000"
        case .name(let name): "no MX host can be named \(name): give names like mx.example.com or *.example.com"
        case .tooManyNames: "more than \(DomainOverride.maximumNames) names"
        }
    }
}

extension DomainOverride.Kind: CustomStringConvertible {
    /// For the log: `exempt`, `exempt as may`, `pin`, `pin mx.example.com,*.example.net`.
    package var description: String {
        switch self {
        case .exempt(let mayEncrypt): mayEncrypt ? "exempt as may" : "exempt"
        case .pin(let names): names.isEmpty ? "pin" : "pin \(names.map(\.description).joined(separator: ","))"
        }
    }
}

extension Unicode.Scalar {
    /// Neither a control character nor one that changes how others look.
    fileprivate var isPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}

import DANE

/// The result of the MX query.
package enum MXResult: Equatable, Sendable {
    /// There are MX records.
    case records(isSecure: Bool)
    /// There are no MX records, so the domain is its own host (RFC 5321 §5.1).
    case implicit(isSecure: Bool)
    /// The domain accepts no mail (RFC 7505).
    case null(isSecure: Bool)
    case noSuchDomain(isSecure: Bool)
    /// There was no query, because the administrator named the host.
    case notNeeded
    case failed(DNSError)

    package var security: MXSecurity {
        switch self {
        case .records(let isSecure), .implicit(let isSecure), .null(let isSecure), .noSuchDomain(let isSecure):
            isSecure ? .secure : .insecure
        case .notNeeded: .secure
        case .failed: .failed
        }
    }

    /// Whether the answer was secure. A host name from the administrator is not signed.
    var isSigned: Bool { self != .notNeeded && security == .secure }
}

extension MXResult: CustomStringConvertible {
    package var description: String {
        let security = security == .secure ? "secure" : "insecure"
        return switch self {
        case .records: "MX records, \(security)"
        case .implicit: "no MX record, \(security): the domain is its own mail host (RFC 5321 section 5.1)"
        case .null: "null MX, \(security): the domain accepts no mail (RFC 7505)"
        case .noSuchDomain: "no such domain, \(security)"
        case .notNeeded: "no MX lookup: the next-hop is a host"
        case .failed(let failure): "\(failure)"
        }
    }
}

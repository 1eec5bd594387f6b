/// The attributes that a Postfix version understands. One attribute too many stops all mail to a destination ("invalid
/// attribute name"), so each version gets the attributes that it knows and no others.
package enum Dialect: String, Sendable, CaseIterable {
    /// Postfix 3.4 to 3.9; later versions understand it too.
    case classic
    /// Postfix 3.10 and later, which takes the policy itself: for its TLS reports, and since 3.10.5 to compare MX host names
    /// with the patterns exactly as RFC 8461 §4.1 requires.
    case sts
    /// Postfix before 3.4, which does not know `servername`.
    case legacy
}

extension Dialect {
    /// The dialect that a socketmap client chooses by its map name; `nil` for any other name. Case matters.
    ///
    /// Users of postfix-mta-sts-resolver and postfix-tlspol have `postfix`, `QUERY` or `QUERYwithTLSRPT` in their main.cf.
    package init?(mapName: some Collection<UInt8>) {
        guard let known = Self.mapNames.first(where: { mapName.elementsEqual($0.name) }) else { return nil }
        self = known.dialect
    }

    private static let mapNames: [(name: [UInt8], dialect: Dialect)] = [
        (Array("sts".utf8), .sts), (Array("QUERYwithTLSRPT".utf8), .sts),
        (Array("classic".utf8), .classic), (Array("postfix".utf8), .classic), (Array("QUERY".utf8), .classic),
        (Array("legacy".utf8), .legacy),
    ]

    /// The dialect with a shorter text for the same policy, without the attributes for TLS reports and for the exact
    /// comparison of MX host names; `nil` if there is none.
    var shorter: Dialect? {
        switch self {
        case .sts: .classic
        case .classic, .legacy: nil
        }
    }
}

/// The words that a Postfix understands. One attribute too many stops all mail to a destination ("invalid attribute
/// name"), so each version gets what it knows and no more.
package enum Dialect: String, Sendable, CaseIterable {
    /// Postfix 3.4 to 3.9; later ones understand it too.
    case classic
    /// Postfix 3.10 and later, which can be told the policy itself: for its TLS reports, and since 3.10.5 for comparing
    /// MX host names with the patterns exactly as RFC 8461 §4.1 wants.
    case sts
    /// Postfix before 3.4, which does not know `servername`.
    case legacy
}

extension Dialect {
    /// The dialect that a socketmap client chooses by its map name, or `nil` for a name that chooses none. Case counts.
    ///
    /// `postfix`, `QUERY` and `QUERYwithTLSRPT` are what postfix-mta-sts-resolver's and postfix-tlspol's users have in
    /// their main.cf.
    package init?(mapName: some Collection<UInt8>) {
        if mapName.elementsEqual("classic".utf8) || mapName.elementsEqual("postfix".utf8)
            || mapName.elementsEqual("QUERY".utf8)
        {
            self = .classic
        } else if mapName.elementsEqual("sts".utf8) || mapName.elementsEqual("QUERYwithTLSRPT".utf8) {
            self = .sts
        } else if mapName.elementsEqual("legacy".utf8) {
            self = .legacy
        } else {
            return nil
        }
    }

    /// The dialect that says the same in fewer octets, at the cost of what only TLS reports and the exact comparison of
    /// MX host names need; `nil` where there is nothing to spare.
    var shorter: Dialect? {
        switch self {
        case .sts: .classic
        case .classic, .legacy: nil
        }
    }
}

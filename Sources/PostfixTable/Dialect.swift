/// The words that a Postfix understands. One attribute too many stops all mail to a destination ("invalid attribute
/// name"), so each version gets what it knows and no more.
package enum Dialect: String, Sendable, CaseIterable {
    /// Postfix 3.4 and later.
    case classic
    /// Postfix before 3.4, which does not know `servername`.
    case legacy
}

extension Dialect {
    /// The dialect that a socketmap client chooses by its map name, or `nil` for a name that chooses none.
    ///
    /// `postfix` and `QUERY` are what postfix-mta-sts-resolver's and postfix-tlspol's users have in their main.cf.
    package init?(mapName: some Collection<UInt8>) {
        if mapName.elementsEqual("classic".utf8) || mapName.elementsEqual("postfix".utf8)
            || mapName.elementsEqual("QUERY".utf8)
        {
            self = .classic
        } else if mapName.elementsEqual("legacy".utf8) {
            self = .legacy
        } else {
            return nil
        }
    }
}

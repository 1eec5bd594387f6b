/// The site's own level, `smtp_tls_security_level`. It applies if a lookup returns "not found".
package enum SecurityLevel: Hashable, Sendable {
    /// Empty, `none` or `may`: each reply for a destination is stronger.
    case opportunistic(String)
    /// Stronger than `may`, or unknown to us.
    case other(String)

    package init(_ text: some StringProtocol) {
        let level = text.lowercased()
        self = ["", "none", "may"].contains(level) ? .opportunistic(level) : .other(level)
    }

    /// The level that decides the bridge's replies if the delivery services of one Postfix have these levels.
    ///
    /// All services get the same reply to the same key, and a reply replaces the level of each of them. The rule chooses the
    /// level whose replies weaken no service (no `dane` for a level that demands more) and defer the mail of none
    /// (`dane-only` only at complete coverage):
    /// - A level that no reply about DANE may replace (`fingerprint`, or an unknown one) comes first.
    /// - Then `secure`, `verify`, `encrypt`: `dane-only` at complete coverage, which is no weaker than any other level.
    /// - Then `dane-only`: no reply, since `dane` means `may` for hosts without TLSA records.
    /// - Then the opportunistic levels: `dane`, which a service at `dane` uses anyway.
    ///
    /// - Returns: the first of equal levels; `may` if there are none.
    package static func binding(among levels: some Sequence<SecurityLevel>) -> SecurityLevel {
        levels.reduce(nil) { (best: SecurityLevel?, level) in
            guard let best else { return level }
            return level.precedence > best.precedence ? level : best
        } ?? SecurityLevel("may")
    }

    private var precedence: Int {
        switch text {
        case "dane": 0
        case "", "none": 1
        case "may": 2
        case "dane-only": 3
        case "encrypt": 4
        case "verify": 5
        case "secure": 6
        default: 7
        }
    }

    /// Whether the replies for level `other` have the same effect at this level as its own replies.
    package func isServed(by other: SecurityLevel) -> Bool {
        givesWayToDANE == other.givesWayToDANE && givesWayToDANEOnly == other.givesWayToDANEOnly
            || text == "dane" && other.givesWayToDANE
    }

    /// Whether the reply `dane`, which this level permits, demands less than `other`.
    package func weakens(_ other: SecurityLevel) -> Bool {
        givesWayToDANE && !other.givesWayToDANE && other.text != "dane"
    }

    /// The value in main.cf; may be empty.
    package var text: String {
        switch self {
        case .opportunistic(let text), .other(let text): text
        }
    }

    /// Whether the reply `dane`, which means `may` for hosts without TLSA records, may replace this level.
    package var givesWayToDANE: Bool {
        switch self {
        case .opportunistic: true
        case .other: false
        }
    }

    /// Whether the reply `dane-only` may replace this level if every host has usable TLSA records. True for levels that
    /// demand TLS and authenticate hosts using certificates or not at all.
    package var givesWayToDANEOnly: Bool {
        switch self {
        case .opportunistic: false
        case .other(let level): ["encrypt", "verify", "secure"].contains(level)
        }
    }
}

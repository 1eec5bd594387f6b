/// The site's own level, `smtp_tls_security_level`: what is in force where a lookup says "not found".
package enum SecurityLevel: Hashable, Sendable {
    /// Empty, `none` or `may`: anything said of a destination is stronger.
    case opportunistic(String)
    /// Stronger than `may`, or not known to us.
    case other(String)

    package init(_ text: some StringProtocol) {
        let level = text.lowercased()
        self = ["", "none", "may"].contains(level) ? .opportunistic(level) : .other(level)
    }

    /// The level that the bridge's replies go by where the delivery services of one Postfix have these.
    ///
    /// All services get the same reply to the same key, and a reply replaces the level of each of them. The rule takes the
    /// level whose replies weaken none (no `dane` beside a level that demands more) and hold mail for none (`dane-only`
    /// nowhere but at complete coverage):
    /// - A level that no reply about DANE may replace (`fingerprint`, an unknown one) goes first.
    /// - Then `secure`, `verify`, `encrypt`: `dane-only` at complete coverage, which is no weaker than any other level.
    /// - Then `dane-only`: no reply, since `dane` falls to `may` on hosts without TLSA records.
    /// - Then the opportunistic ones: `dane`, which is what a service at `dane` does by itself.
    ///
    /// - Returns: the first of equal ones; `may` if there are no levels.
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

    /// Whether the replies of level `other` do for this one what its own would.
    package func isServed(by other: SecurityLevel) -> Bool {
        givesWayToDANE == other.givesWayToDANE && givesWayToDANEOnly == other.givesWayToDANEOnly
            || text == "dane" && other.givesWayToDANE
    }

    /// Whether `dane`, as a reply at this level, asks for less than `other` does by itself.
    package func weakens(_ other: SecurityLevel) -> Bool {
        givesWayToDANE && !other.givesWayToDANE && other.text != "dane"
    }

    /// As Postfix writes it; may be empty.
    package var text: String {
        switch self {
        case .opportunistic(let text), .other(let text): text
        }
    }

    /// Whether `dane`, which falls to `may` on hosts without TLSA records, may replace it.
    package var givesWayToDANE: Bool {
        switch self {
        case .opportunistic: true
        case .other: false
        }
    }

    /// Whether `dane-only` may replace it where every host has usable TLSA records: it demands TLS, and authenticates hosts
    /// by certificates or not at all.
    package var givesWayToDANEOnly: Bool {
        switch self {
        case .opportunistic: false
        case .other(let level): ["encrypt", "verify", "secure"].contains(level)
        }
    }
}

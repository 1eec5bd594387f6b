/// What became of an operator's order; it is in force at once either way.
package enum OrderOutcome: Equatable, Sendable {
    /// It is in the archive.
    case kept
    /// It is in memory only, for this reason: lost at the next start, unless the archive works again before.
    case inMemoryOnly(String)
}

/// Why an order is not taken at all.
package enum OrderRefusal: Error, Equatable, Sendable {
    /// So many domains have one already.
    case tooMany(limit: Int)
    /// Its end has passed already.
    case hasEnded
}

extension OrderRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooMany(let limit): "\(limit) domains are exempted or pinned already: remove some first"
        case .hasEnded: "its end has passed already"
        }
    }
}

/// The operator switched observe mode on or off while we ran.
package struct ObserveOrder: Equatable, Sendable {
    package let isOn: Bool
    /// Who, as the socket's peer was found to be.
    package let author: String
    package let since: WallTime

    package init(isOn: Bool, author: String, since: WallTime) {
        self.isOn = isOn
        self.author = author
        self.since = since
    }
}

/// Whether Postfix is told nothing, and who says so.
///
/// The configuration (`policy.observe`) can switch it on for good; only where it does not, the operator's order counts.
package struct Observing: Equatable, Sendable {
    package let isConfigured: Bool
    /// The last order, which outlives the process; `nil`: there never was one.
    package let order: ObserveOrder?

    package var isOn: Bool { isConfigured || order?.isOn == true }
}

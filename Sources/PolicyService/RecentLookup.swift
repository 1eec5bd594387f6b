import Discovery
import MTASTS

/// One lookup and its reply, as `explain` shows it.
package struct RecentLookup: Equatable, Sendable {
    package let destination: DANEDestination
    /// When it was answered.
    package let at: WallTime
    package let rule: Decision.Rule
    /// The reply in one word: `not-found`, `secure`, `temporary` …
    package let reply: String

    package init(destination: DANEDestination, at: WallTime, rule: Decision.Rule, reply: String) {
        self.destination = destination
        self.at = at
        self.rule = rule
        self.reply = reply
    }
}

/// Something that could not be found out, as `explain` shows it.
package struct RecentFailure: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// The TXT query.
        case record(DNSFailure)
        /// The fetch of the policy.
        case policy(PolicyFailure)
        /// A question of the DANE discovery for this port.
        case dane(DNSFailure, port: UInt16?)
    }

    package let domain: PolicyDomain
    package let at: WallTime
    package let kind: Kind
}

extension RecentFailure.Kind: CustomStringConvertible {
    package var description: String {
        switch self {
        case .record(let failure), .dane(let failure, _): "\(failure)"
        case .policy(let failure): "\(failure)"
        }
    }
}

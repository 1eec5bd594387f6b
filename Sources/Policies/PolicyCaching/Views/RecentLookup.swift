import Discovery
import MTASTS
import TextFormats

/// One lookup and its reply, as `explain` shows it.
package struct RecentLookup: Equatable, Sendable {
    package let destination: Destination
    /// When the lookup was answered.
    package let at: WallTime
    package let rule: Decision.Rule
    /// The reply in one word: `not-found`, `secure`, `temporary` …
    package let reply: String

    package init(destination: Destination, at: WallTime, rule: Decision.Rule, reply: String) {
        self.destination = destination
        self.at = at
        self.rule = rule
        self.reply = reply
    }
}

/// A failed query or fetch, as `explain` shows it.
package struct RecentFailure: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// The TXT query.
        case record(DNSError)
        /// The fetch of the policy.
        case policy(PolicyFetchError)
        /// A query of the DANE discovery for this port.
        case dane(DNSError, port: UInt16?)
    }

    package let domain: PolicyDomain
    package let at: WallTime
    package let kind: Kind

    package init(domain: PolicyDomain, at: WallTime, kind: Kind) {
        self.domain = domain
        self.at = at
        self.kind = kind
    }
}

extension RecentFailure.Kind: CustomStringConvertible {
    package var description: String {
        switch self {
        case .record(let failure), .dane(let failure, _): "\(failure)"
        case .policy(let failure): "\(failure)"
        }
    }
}

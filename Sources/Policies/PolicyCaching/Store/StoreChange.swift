import MTASTS
import TextFormats

/// One change of the store.
package enum StoreChange: Equatable, Sendable {
    case savePolicy(StoredPolicy)
    case removePolicy(PolicyDomain)
    /// Removes a policy that memory has no space for, and earlier fetches of its domain. A later fetch, by another process,
    /// stays. `fetchedAt`: the latest fetch time that the policy has.
    case evictPolicy(PolicyDomain, fetchedAt: WallTime)
    /// The log has the expiry of the policy that was fetched at this time. A policy of another fetch is not changed.
    case noteExpiry(PolicyDomain, fetchedAt: WallTime)
    /// Sets the override of a domain, in place of one that was set earlier. Changes nothing if the domain's override was set
    /// or removed later.
    case setOverride(Override)
    /// Removes the override of a domain, unless it was set after this time.
    case removeOverride(PolicyDomain, at: WallTime)
    /// Removes this override, some time after its end. Another override of the domain stays.
    case dropOverride(Override)
    /// Changes nothing if observe mode was changed later.
    case observe(ObserveModeChange)

    /// What a change applies to. Of several changes of one subject the last one counts.
    package enum Subject: Hashable, Sendable {
        case policy(PolicyDomain)
        case policyEnd(PolicyDomain)
        case override(PolicyDomain)
        case observe
    }

    package var subject: Subject {
        switch self {
        case .savePolicy(let policy): .policy(policy.domain)
        case .removePolicy(let domain), .evictPolicy(let domain, _): .policy(domain)
        case .noteExpiry(let domain, _): .policyEnd(domain)
        case .setOverride(let override), .dropOverride(let override): .override(override.domain)
        case .removeOverride(let domain, _): .override(domain)
        case .observe: .observe
        }
    }

    /// Whether it changes an override or observe mode.
    var isOverride: Bool {
        switch self {
        case .savePolicy, .removePolicy, .evictPolicy, .noteExpiry: false
        case .setOverride, .removeOverride, .dropOverride, .observe: true
        }
    }

    var isPolicyRemoval: Bool {
        switch self {
        case .removePolicy, .evictPolicy: true
        case .savePolicy, .noteExpiry, .setOverride, .removeOverride, .dropOverride, .observe: false
        }
    }

    /// Octets of policy text that it writes.
    var octetCount: Int {
        if case .savePolicy(let policy) = self { policy.text.count } else { 0 }
    }
}

/// A policy that another process removed from the store.
package struct PolicyRemoval: Equatable, Sendable {
    package let domain: PolicyDomain
    /// The latest fetch time of the removed policy.
    package let fetchedAt: WallTime
    package let removedAt: WallTime

    package init(domain: PolicyDomain, fetchedAt: WallTime, removedAt: WallTime) {
        self.domain = domain
        self.fetchedAt = fetchedAt
        self.removedAt = removedAt
    }

    /// Whether this policy was removed, or was fetched before the removed one. A policy that was fetched after the removal
    /// stays, even if the clock was ahead at the fetch of the removed one.
    func applies(to policy: CachedPolicy) -> Bool {
        max(policy.fetchedAt, policy.previousFetchedAt ?? policy.fetchedAt) <= fetchedAt
            && (policy.fetchedAt < removedAt || policy.fetchedAt == fetchedAt)
    }
}

/// An override or observe mode as read from the store.
package enum StoredOverride: Equatable, Sendable {
    case override(Override)
    case observe(ObserveModeChange)
    /// A row that is not a valid override. `subject`: the domain as it is in the row, or another name of the row. Untrusted.
    case unreadable(subject: String, reason: String)
}

/// The store does not work. The text says what failed, why and what to do, in one line.
package struct StoreError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

import MTASTS
import PolicyService

/// Policies that wait for their commit, one a domain.
struct ImportGroup {
    /// A commit is a write to disk, so not one for each; and it holds up the daemon's own, so not one for all.
    static let maximumPolicies = 1_000
    /// Of texts: policies have some hundred octets, but a file of the longest shall not take 64 MiB.
    static let maximumOctets = 8 * 1_024 * 1_024

    /// In the order in which their domains came, so that an export of an import is what was imported.
    private(set) var policies: [ArchivedPolicy] = []
    private var places: [PolicyDomain: Int] = [:]
    private var octets = 0

    private let now: WallTime

    /// - Parameter now: when the import began.
    init(now: WallTime) {
        self.now = now
    }

    var isFull: Bool { policies.count >= Self.maximumPolicies || octets >= Self.maximumOctets }

    /// Of one domain the later fetched stays; the first of two as late. Of two fetches in the future that were noticed at
    /// one time, the one of the later time stays.
    ///
    /// - Returns: whether no other one of the domain was here, so that none was let go.
    mutating func add(_ policy: ArchivedPolicy) -> Bool {
        guard let place = places[policy.domain] else {
            octets += policy.text.count
            places[policy.domain] = policies.count
            policies.append(policy)
            return true
        }
        if fetch(of: policies[place]) < fetch(of: policy) {
            octets += policy.text.count - policies[place].text.count
            policies[place] = policy
        }
        return false
    }

    private func fetch(of policy: ArchivedPolicy) -> (WallTime, WallTime) {
        (policy.latestPossibleFetch(asOf: now), policy.fetchedAt)
    }
}

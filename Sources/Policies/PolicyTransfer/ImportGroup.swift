import MTASTS
import PolicyCaching
import TextFormats

/// The policies of the next commit, at most one for each domain.
struct ImportGroup {
    /// Each commit writes to the disk, so a commit has many policies. A commit of all policies would block the daemon.
    static let maximumPolicies = 1_000
    /// A bound for memory: a thousand policies of the longest kind would take 64 MiB.
    static let maximumTextBytes = 8 * 1_024 * 1_024

    /// In the order of the first line of each domain, so that an export after the import has the order of the file.
    private(set) var policies: [StoredPolicy] = []
    private var indices: [PolicyDomain: Int] = [:]
    private var textBytes = 0

    private let now: WallTime

    /// - Parameter now: the start of the import.
    init(now: WallTime) {
        self.now = now
    }

    var isFull: Bool { policies.count >= Self.maximumPolicies || textBytes >= Self.maximumTextBytes }

    /// Keeps the later fetch of two policies of a domain, and the first of two with the same time. If the clock was seen
    /// behind both fetches at the same time, the later fetch time decides.
    ///
    /// - Returns: `true` if the group had no policy of the domain.
    mutating func add(_ policy: StoredPolicy) -> Bool {
        guard let index = indices[policy.domain] else {
            textBytes += policy.text.count
            indices[policy.domain] = policies.count
            policies.append(policy)
            return true
        }
        if fetchTimes(of: policies[index]) < fetchTimes(of: policy) {
            textBytes += policy.text.count - policies[index].text.count
            policies[index] = policy
        }
        return false
    }

    private func fetchTimes(of policy: StoredPolicy) -> (WallTime, WallTime) {
        (policy.latestPossibleFetch(asOf: now), policy.fetchedAt)
    }
}

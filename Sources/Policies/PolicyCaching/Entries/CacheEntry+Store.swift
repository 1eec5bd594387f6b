import Discovery
import MTASTS

/// An entry in the store.
extension CacheEntry {
    /// The row for the store; `nil` without a policy.
    func stored(of domain: PolicyDomain) -> StoredPolicy? {
        cached.map { stored($0, failure: failedFetch, of: domain) }
    }

    /// The row for the store with this policy.
    func stored(_ policy: CachedPolicy, failure: FailedFetch?, of domain: PolicyDomain) -> StoredPolicy {
        StoredPolicy(
            domain: domain, text: policy.policy.octets, id: policy.id, fetchedAt: policy.fetchedAt,
            expiresAt: policy.expiresAt,
            lastLookupAt: lastLookupAt, record: storedRecord,
            failure: failure.map { failed in
                StoredPolicy.Failure(
                    id: failed.id, at: failed.at, count: failed.count, category: failed.category,
                    reason: "\(failed.failure)")
            }, clockBehindSince: policy.clockBehindSince, previousFetchedAt: policy.previousFetchedAt,
            isExpiryLogged: isExpiryLogged && policy == cached)
    }

    /// Only a published id is saved. Other answers of DNS are queried again after a restart.
    private var storedRecord: StoredPolicy.Record? {
        guard let record, case .published(let id) = record.result else { return nil }
        return StoredPolicy.Record(id: id, at: record.at, lifetime: record.lifetime)
    }

    /// - Parameter policy: the parsed text of the row.
    init(_ stored: StoredPolicy, policy: STSPolicy) {
        self.init(lastLookupAt: stored.lastLookupAt)
        cached = CachedPolicy(
            policy, id: stored.id, fetchedAt: stored.fetchedAt, clockBehindSince: stored.clockBehindSince,
            previousFetchedAt: stored.previousFetchedAt)
        isExpiryLogged = stored.isExpiryLogged
        record = stored.record.map { Record(result: .published($0.id), at: $0.at, lifetime: $0.lifetime) }
        failedFetch = stored.failure.map { failed in
            FailedFetch(
                id: failed.id, failure: .earlier(failed.category, failed.reason), category: failed.category,
                at: failed.at, count: failed.count)
        }
    }
}

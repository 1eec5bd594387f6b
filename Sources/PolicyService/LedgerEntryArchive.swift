import Discovery
import MTASTS

/// How an entry is kept, and comes back.
extension LedgerEntry {
    /// What is to be kept of it; `nil` without a policy.
    func archived(of domain: PolicyDomain) -> ArchivedPolicy? {
        held.map { archived($0, failure: failedFetch, of: domain) }
    }

    /// What is to be kept when `policy` is held.
    func archived(_ policy: HeldPolicy, failure: FailedFetch?, of domain: PolicyDomain) -> ArchivedPolicy {
        ArchivedPolicy(
            domain: domain, text: policy.text, id: policy.id, fetchedAt: policy.fetchedAt, expiresAt: policy.expiresAt,
            askedAt: askedAt, record: archivedRecord,
            failure: failure.map { failed in
                ArchivedPolicy.Failure(
                    id: failed.id, at: failed.at, count: failed.count, category: failed.category,
                    reason: "\(failed.failure)")
            }, clockBehindSince: policy.clockBehindSince, previousFetchedAt: policy.previousFetchedAt,
            isEndLogged: policy === held && isEndLogged)
    }

    /// Only a published id is kept: after a restart, what else DNS said is asked for again.
    private var archivedRecord: ArchivedPolicy.Record? {
        guard let record, case .published(let id) = record.finding else { return nil }
        return ArchivedPolicy.Record(id: id, at: record.at, lifetime: record.lifetime)
    }

    /// As it was kept, the text parsed again.
    ///
    /// - Throws: `PolicyError` when the text is no policy to this version.
    init(_ kept: ArchivedPolicy) throws(PolicyError) {
        let fetched = FetchedPolicy(policy: try STSPolicy(kept.text), text: kept.text)
        self.init(askedAt: kept.askedAt)
        held = HeldPolicy(
            fetched, id: kept.id, fetchedAt: kept.fetchedAt, clockBehindSince: kept.clockBehindSince,
            previousFetchedAt: kept.previousFetchedAt)
        isEndLogged = kept.isEndLogged
        record = kept.record.map { Record(finding: .published($0.id), at: $0.at, lifetime: $0.lifetime) }
        failedFetch = kept.failure.map { failed in
            FailedFetch(
                id: failed.id, failure: .earlier(failed.category, failed.reason), category: failed.category,
                at: failed.at, count: failed.count)
        }
    }
}

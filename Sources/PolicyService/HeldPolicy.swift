import Discovery
import MTASTS

/// A policy that we hold: what was published, under which id, since when.
///
/// Immutable. A class, so that handing it from the ledger to a reply costs one reference count and not one a field.
package final class HeldPolicy: Sendable {
    package let policy: STSPolicy
    /// The octets as published.
    package let text: [UInt8]
    /// The id of the TXT record that led to the fetch.
    package let id: RecordID
    /// When it was last fetched over HTTPS. Only a fetch renews a policy; an unchanged id does not (RFC 8461 §3.2).
    package let fetchedAt: WallTime

    package init(_ fetched: FetchedPolicy, id: RecordID, fetchedAt: WallTime) {
        policy = fetched.policy
        text = fetched.text
        self.id = id
        self.fetchedAt = fetchedAt
    }

    /// The same policy, as if it had been fetched at `time`.
    func fetched(at time: WallTime) -> HeldPolicy {
        HeldPolicy(FetchedPolicy(policy: policy, text: text), id: id, fetchedAt: time)
    }

    /// How long it lives from its fetch on: max_age (RFC 8461 §3.2).
    package var lifetime: Duration { .seconds(policy.maxAge) }

    package var expiresAt: WallTime { fetchedAt + lifetime }

    /// Until its life is over it is applied, whatever DNS and HTTPS do. A fetch time in the future means that the clock
    /// was set back since; the policy still applies (and is fetched again).
    package func applies(at now: WallTime) -> Bool {
        fetchedAt > now ? policy.maxAge > 0 : now.isWithin(lifetime, of: fetchedAt)
    }
}

extension HeldPolicy: Equatable {
    package static func == (left: HeldPolicy, right: HeldPolicy) -> Bool {
        left.text == right.text && left.id == right.id && left.fetchedAt == right.fetchedAt
    }
}

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
    /// When it was last fetched over HTTPS. Only a fetch renews a policy; an unchanged id does not (RFC 8461 §3.2). It is
    /// never changed, whatever the clock does later.
    package let fetchedAt: WallTime
    /// When the clock was first seen behind `fetchedAt`, by that clock; `nil`: it was not, or is right again.
    package let clockBehindSince: WallTime?

    package init(_ fetched: FetchedPolicy, id: RecordID, fetchedAt: WallTime, clockBehindSince: WallTime? = nil) {
        policy = fetched.policy
        text = fetched.text
        self.id = id
        self.fetchedAt = fetchedAt
        self.clockBehindSince = clockBehindSince
    }

    /// The same policy, the clock being behind since `time`, or not.
    func clockBehind(since time: WallTime?) -> HeldPolicy {
        HeldPolicy(
            FetchedPolicy(policy: policy, text: text), id: id, fetchedAt: fetchedAt, clockBehindSince: time)
    }

    /// How long it lives from its fetch on: max_age (RFC 8461 §3.2).
    package var lifetime: Duration { .seconds(policy.maxAge) }

    /// The end of its life, by a clock that is right.
    package var expiresAt: WallTime { fetchedAt + lifetime }

    /// Whether it was fetched in the future, as seen from `now`: the clock is behind, or was ahead at the fetch.
    func isAhead(of now: WallTime) -> Bool { fetchedAt.isAhead(of: now) }

    /// The end of its life, as seen from `now`. Where the fetch lies in the future, the life counts from the moment at which
    /// that was noticed: so a fetch by a clock that was ahead does not prolong it without bound, and a clock that is behind
    /// does not end it. When the clock is right again the life counts from the fetch.
    package func end(asOf now: WallTime) -> WallTime {
        guard isAhead(of: now) else { return expiresAt }
        return (clockBehindSince.map { min($0, now) } ?? now) + lifetime
    }

    /// Until its life is over it is applied, whatever DNS and HTTPS do.
    package func applies(at now: WallTime) -> Bool {
        policy.maxAge > 0 && now < end(asOf: now)
    }
}

extension HeldPolicy: Equatable {
    package static func == (left: HeldPolicy, right: HeldPolicy) -> Bool {
        left.text == right.text && left.id == right.id && left.fetchedAt == right.fetchedAt
    }
}

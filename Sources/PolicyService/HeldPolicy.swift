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
    /// When it was last fetched over HTTPS, by the clock of that moment. Only a fetch renews a policy; an unchanged id does
    /// not (RFC 8461 §3.2). It is never changed, whatever the clock does later.
    package let fetchedAt: WallTime
    /// When the clock was first seen behind `fetchedAt`, by that clock; `nil`: it was not, or is right again.
    package let clockBehindSince: WallTime?
    /// The time of an earlier fetch, if it lay in the future at the last one; `nil`: it did not. The clock was behind at the
    /// last fetch, or ahead at the earlier one.
    package let previousFetchedAt: WallTime?

    package init(
        _ fetched: FetchedPolicy, id: RecordID, fetchedAt: WallTime, clockBehindSince: WallTime? = nil,
        previousFetchedAt: WallTime? = nil
    ) {
        policy = fetched.policy
        text = fetched.text
        self.id = id
        self.fetchedAt = fetchedAt
        self.clockBehindSince = clockBehindSince
        self.previousFetchedAt = previousFetchedAt
    }

    /// The same policy with the clock behind since `time`; `nil`: the clock is not behind.
    func clockBehind(since time: WallTime?) -> HeldPolicy {
        HeldPolicy(
            FetchedPolicy(policy: policy, text: text), id: id, fetchedAt: fetchedAt, clockBehindSince: time,
            previousFetchedAt: previousFetchedAt)
    }

    /// How long it lives from its fetch on: max_age (RFC 8461 §3.2).
    package var lifetime: Duration { .seconds(policy.maxAge) }

    /// The end of its life, by a clock that has passed all its fetches.
    package var expiresAt: WallTime { max(fetchedAt, previousFetchedAt ?? fetchedAt) + lifetime }

    /// Whether it was fetched in the future, as seen from `now`: the clock is behind, or was ahead at the fetch.
    func isAhead(of now: WallTime) -> Bool { fetchedAt.isAhead(of: now) }

    /// The latest fetch time that lies in the future, as seen from `now`; `nil`: none does.
    func latestFetch(aheadOf now: WallTime) -> WallTime? {
        [fetchedAt, previousFetchedAt].compactMap(\.self).filter { $0.isAhead(of: now) }.max()
    }

    /// The moment from which its life counts, as seen from `now`. If the fetch lies in the future, this is the moment at
    /// which that was noticed: a clock that was ahead at the fetch does not prolong the life without bound, and a clock that
    /// is behind does not end it. When the clock is right again, this is the latest fetch, though the clock was behind at a
    /// later one.
    func lifeStart(asOf now: WallTime) -> WallTime {
        guard !isAhead(of: now) else { return clockBehindSince.map { min($0, now) } ?? now }
        return lastFetch(asOf: now)
    }

    /// The latest of its fetches that `now` has passed; `fetchedAt` if `now` has passed none.
    func lastFetch(asOf now: WallTime) -> WallTime {
        guard let previousFetchedAt, !previousFetchedAt.isAhead(of: now) else { return fetchedAt }
        return max(fetchedAt, previousFetchedAt)
    }

    /// The latest time at which it can have been fetched, as seen from `now`: the last fetch, or if that lies in the future,
    /// when that was noticed. `nil`: it was not noticed yet, so nothing is known.
    func latestPossibleFetch(asOf now: WallTime) -> WallTime? {
        isAhead(of: now) ? clockBehindSince.map { min($0, now) } : min(lastFetch(asOf: now), now)
    }

    /// The end of its life, as seen from `now`.
    package func end(asOf now: WallTime) -> WallTime { lifeStart(asOf: now) + lifetime }

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

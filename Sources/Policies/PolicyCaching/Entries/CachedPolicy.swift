import Discovery
import MTASTS
import TextFormats

/// A policy in the cache: the text as published, the id, and the fetch time.
///
/// Immutable. `CacheEntry` holds its parts in a compact form.
package struct CachedPolicy: Sendable {
    package let policy: STSPolicy
    /// The id of the TXT record that led to the fetch.
    package let id: RecordID
    /// When the policy was last fetched over HTTPS, by the clock at that moment. Only a fetch renews a policy; an unchanged id
    /// does not (RFC 8461 §3.2). Later steps of the clock do not change it.
    package let fetchedAt: WallTime
    /// When the clock was first seen behind `fetchedAt`, by that clock; `nil`: never, or the clock is right again.
    package let clockBehindSince: WallTime?
    /// The time of an earlier fetch that was in the future at the last fetch; `nil`: there is none. The clock was behind at
    /// the last fetch, or ahead at the earlier one.
    package let previousFetchedAt: WallTime?

    package init(
        _ policy: STSPolicy, id: RecordID, fetchedAt: WallTime, clockBehindSince: WallTime? = nil,
        previousFetchedAt: WallTime? = nil
    ) {
        self.policy = policy
        self.id = id
        self.fetchedAt = fetchedAt
        self.clockBehindSince = clockBehindSince
        self.previousFetchedAt = previousFetchedAt
    }

    /// This policy with the clock behind since `time`; `nil`: the clock is not behind.
    func clockBehind(since time: WallTime?) -> CachedPolicy {
        CachedPolicy(
            policy, id: id, fetchedAt: fetchedAt, clockBehindSince: time, previousFetchedAt: previousFetchedAt)
    }

    /// How long the policy applies after its fetch: max_age (RFC 8461 §3.2).
    package var lifetime: Duration { .seconds(policy.maxAge) }

    /// When the policy expires, by a clock that is ahead of all its fetches.
    package var expiresAt: WallTime { max(fetchedAt, previousFetchedAt ?? fetchedAt) + lifetime }

    /// Whether the fetch time is in the future, as seen from `now`: the clock is behind, or was ahead at the fetch.
    func isAhead(of now: WallTime) -> Bool { fetchedAt.isAhead(of: now) }

    /// The latest fetch time in the future, as seen from `now`; `nil`: there is none.
    func latestFetch(aheadOf now: WallTime) -> WallTime? {
        [fetchedAt, previousFetchedAt].compactMap(\.self).filter { $0.isAhead(of: now) }.max()
    }

    /// When the lifetime begins, as seen from `now`.
    ///
    /// If the fetch time is in the future, the lifetime begins when that was noticed. A clock that was ahead at the fetch then
    /// prolongs the lifetime by a bounded time, and a clock that is behind does not end it. When the clock is right again, the
    /// lifetime begins at the latest fetch, even if the clock was behind at a later one.
    func lifetimeStart(asOf now: WallTime) -> WallTime {
        guard !isAhead(of: now) else { return clockBehindSince.map { min($0, now) } ?? now }
        return lastFetch(asOf: now)
    }

    /// The latest fetch before `now`; `fetchedAt` if all are after it.
    func lastFetch(asOf now: WallTime) -> WallTime {
        guard let previousFetchedAt, !previousFetchedAt.isAhead(of: now) else { return fetchedAt }
        return max(fetchedAt, previousFetchedAt)
    }

    /// The latest possible time of the last fetch, as seen from `now`: the last fetch, or if that is in the future, when that
    /// was noticed. `nil`: it was not noticed yet, so nothing is known.
    func latestPossibleFetch(asOf now: WallTime) -> WallTime? {
        isAhead(of: now) ? clockBehindSince.map { min($0, now) } : min(lastFetch(asOf: now), now)
    }

    /// When the policy expires, as seen from `now`.
    package func end(asOf now: WallTime) -> WallTime { lifetimeStart(asOf: now) + lifetime }

    /// Whether the policy applies: it does until it expires, whatever DNS and HTTPS answer.
    package func applies(at now: WallTime) -> Bool {
        policy.maxAge > 0 && now < end(asOf: now)
    }
}

extension CachedPolicy: Equatable {
    package static func == (left: CachedPolicy, right: CachedPolicy) -> Bool {
        left.policy.octets == right.policy.octets && left.id == right.id && left.fetchedAt == right.fetchedAt
    }
}

import Discovery
import MTASTS
import TextFormats

/// A row as read from the store.
package enum StoredRow: Equatable, Sendable {
    case policy(StoredPolicy)
    /// A row that is not a valid policy: an invalid domain, an invalid id … `domain` is the text of the row. Untrusted.
    case unreadable(domain: String, reason: String)
}

/// A policy in the store: the octets as published. They are parsed again when the policy is loaded.
package struct StoredPolicy: Equatable, Sendable {
    /// The record that DNS last published.
    package struct Record: Equatable, Sendable {
        package let id: RecordID
        package let at: WallTime
        /// How long the record is fresh.
        package let lifetime: Duration

        package init(id: RecordID, at: WallTime, lifetime: Duration) {
            self.id = id
            self.at = at
            self.lifetime = lifetime
        }
    }

    /// The last fetch, if it failed.
    package struct Failure: Equatable, Sendable {
        package let id: RecordID
        package let at: WallTime
        /// Failed fetches since the last successful one, at least 1.
        package let count: Int
        package let category: PolicyFetchError.Category
        /// The error's text.
        package let reason: String

        package init(id: RecordID, at: WallTime, count: Int, category: PolicyFetchError.Category, reason: String) {
            self.id = id
            self.at = at
            self.count = count
            self.category = category
            self.reason = reason
        }
    }

    package let domain: PolicyDomain
    /// The policy's octets as published.
    package let text: [UInt8]
    package let id: RecordID
    /// The wall clock at the last fetch. Later steps of the clock do not change it.
    package let fetchedAt: WallTime
    /// When the policy expires, for `purge`. Whether it applies is computed from the text.
    package let expiresAt: WallTime
    /// When Postfix last looked the domain up, to the day.
    package let lastLookupAt: WallTime
    package let record: Record?
    package let failure: Failure?
    /// When the clock was first seen behind `fetchedAt`, by that clock; `nil`: never.
    package let clockBehindSince: WallTime?
    /// The time of an earlier fetch that was in the future at the last fetch; `nil`: there is none.
    package let previousFetchedAt: WallTime?
    /// Whether the expiry is logged.
    package let isExpiryLogged: Bool

    package init(
        domain: PolicyDomain, text: [UInt8], id: RecordID, fetchedAt: WallTime, expiresAt: WallTime,
        lastLookupAt: WallTime,
        record: Record? = nil, failure: Failure? = nil, clockBehindSince: WallTime? = nil,
        previousFetchedAt: WallTime? = nil, isExpiryLogged: Bool = false
    ) {
        self.domain = domain
        self.text = text
        self.id = id
        self.fetchedAt = fetchedAt
        self.expiresAt = expiresAt
        self.lastLookupAt = lastLookupAt
        self.record = record
        self.failure = failure
        self.clockBehindSince = clockBehindSince
        self.previousFetchedAt = previousFetchedAt
        self.isExpiryLogged = isExpiryLogged
    }

    /// The latest fetch before `now`; `fetchedAt` if all are after it.
    package func lastFetch(asOf now: WallTime) -> WallTime {
        guard let previousFetchedAt, previousFetchedAt <= now else { return fetchedAt }
        return max(fetchedAt, previousFetchedAt)
    }

    /// The latest possible time of the last fetch: `lastFetch`, or if that is in the future, when the clock was seen behind
    /// it. A clock that was ahead at the fetch then makes a policy no newer than it is.
    package func latestPossibleFetch(asOf now: WallTime) -> WallTime {
        let last = lastFetch(asOf: now)
        return last > now ? min(clockBehindSince ?? now, now) : last
    }
}

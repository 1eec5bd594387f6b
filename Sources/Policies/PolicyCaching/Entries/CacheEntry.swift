import Discovery
import MTASTS
import TextFormats

/// What the cache knows of one domain.
package struct CacheEntry: Sendable {
    /// What is in progress for the domain.
    enum Activity: Equatable, Sendable {
        case idle
        /// A discovery: lookups wait for it.
        case discovering(FlightID)
        /// A refresh: lookups are answered from memory, if they can be.
        case refreshing(FlightID)
    }

    /// The last answer of DNS, and how long it is fresh.
    struct Record: Sendable {
        var result: RecordResult
        var at: WallTime
        var lifetime: Duration

        func isFresh(at now: WallTime) -> Bool { now.isWithin(lifetime, of: at) }
    }

    /// The last fetch, if its policy host failed, and the last failed fetches for other ids. A class, because most entries
    /// have none.
    final class FailedFetch: Sendable {
        /// The last failed fetch for one id.
        struct Attempt: Sendable {
            let id: RecordID
            let failure: PolicyFetchError
            let at: WallTime
        }

        let last: Attempt
        let category: PolicyFetchError.Category
        /// Failed fetches since the last successful one, including this one.
        let count: Int
        /// The last failed fetches for other ids since the last successful fetch, newest first. Name servers that are out of
        /// step publish several ids in turn; each id has its own pause (RFC 8461 §3.3).
        let others: [Attempt]

        var id: RecordID { last.id }
        var failure: PolicyFetchError { last.failure }
        var at: WallTime { last.at }

        /// Ids whose failures are cached: more than a domain's name servers publish at once.
        private static let maximumIDs = 4

        /// - Parameter previous: the failed fetch before this one, if no successful one came between.
        init(
            id: RecordID, failure: PolicyFetchError, category: PolicyFetchError.Category, at: WallTime, count: Int,
            after previous: FailedFetch? = nil
        ) {
            last = Attempt(id: id, failure: failure, at: at)
            self.category = category
            self.count = count
            let before = previous.map { [$0.last] + $0.others } ?? []
            others = Array(before.filter { $0.id != id }.prefix(Self.maximumIDs - 1))
        }

        /// The last failed fetch for an id.
        func attempt(for id: RecordID) -> Attempt? {
            last.id == id ? last : others.first { $0.id == id }
        }
    }

    /// A fetch that failed because of this host. A class, because most entries have none.
    final class LocalFetchError: Sendable {
        let id: RecordID
        let failure: PolicyFetchError
        let at: WallTime

        init(id: RecordID, failure: PolicyFetchError, at: WallTime) {
            self.id = id
            self.failure = failure
            self.at = at
        }
    }

    var record: Record?
    var cached: CachedPolicy?
    var failedFetch: FailedFetch?
    /// The last fetch, if it failed because of this host. What is known of the policy host stays.
    var localFetchFailure: LocalFetchError?
    /// When the last fetch ended, successfully or not.
    var lastFetch: WallTime?
    /// The store could not be read: it may have a policy of this domain.
    var needsStoreRead = false
    var activity = Activity.idle
    /// When Postfix last looked the domain up. It is not set back with the clock: a daemon that starts before its clock is
    /// right still refreshes the policies that were in use.
    private(set) var lastLookupAt: WallTime
    /// When the policy is refreshed in the background; `nil`: not at all.
    var refreshAt: WallTime?
    /// The entry's minute in the refresh queue.
    var refreshMinute: RefreshQueue.Minute?
    /// The entry's minute in the expiry queue.
    var expiryMinute: RefreshQueue.Minute?
    /// The last warning that was logged because the policy cannot be refreshed.
    var lastWarning = ExpiryWarning.start
    /// Whether the policy's expiry is logged.
    var isExpiryLogged = false

    init(lastLookupAt: WallTime) {
        self.lastLookupAt = lastLookupAt
    }

    /// The flight in progress.
    var flight: FlightID? {
        switch activity {
        case .idle: nil
        case .discovering(let flight), .refreshing(let flight): flight
        }
    }

    var isDiscovering: Bool {
        if case .discovering = activity { true } else { false }
    }

    /// Postfix looked the domain up at `time`.
    mutating func noteLookup(at time: WallTime) { lastLookupAt = max(lastLookupAt, time) }

    /// The policy with the present state of the clock, if that state is new: the clock is now behind its fetch, was set back
    /// further, or is right again.
    private func policyToUpdate(at now: WallTime) -> CachedPolicy? {
        guard let cached else { return nil }
        guard cached.isAhead(of: now) else {
            return cached.clockBehindSince == nil ? nil : cached.clockBehind(since: nil)
        }
        if let since = cached.clockBehindSince, !since.isAhead(of: now) { return nil }
        return cached.clockBehind(since: now)
    }

    /// Notes whether the clock is behind the policy's fetch. The fetch time stays.
    ///
    /// - Returns: whether that is new.
    mutating func noteClock(at now: WallTime) -> Bool {
        guard let new = policyToUpdate(at: now) else { return false }
        cached = new
        return true
    }

    /// The policy, if it has not expired.
    func applicable(at now: WallTime) -> CachedPolicy? {
        guard let cached, cached.applies(at: now) else { return nil }
        return cached
    }

    /// Why `id` is not fetched yet: its last fetch failed too recently (RFC 8461 §3.3, per id). `nil`: it may be fetched.
    private func pause(for id: RecordID, at now: WallTime, pauses: FetchPauses) -> UnknownReason? {
        if let failed = failedFetch?.attempt(for: id), now.isWithin(pauses.afterFailure, of: failed.at) {
            return .policy(failed.failure)
        }
        if let failed = localFetchFailure, failed.id == id, now.isWithin(pauses.afterLocalFailure, of: failed.at) {
            return .local(.policy(failed.failure))
        }
        return nil
    }

    /// What is known without a query: the policy that applies, or the last answer of DNS.
    ///
    /// `nil`: nothing is known, or the policy has expired.
    func status(at now: WallTime, pauses: FetchPauses) -> PolicyStatus? {
        if let cached = applicable(at: now) { return .policy(cached) }
        switch record?.result {
        case .absent(let absence): return .noPolicy(absence)
        case .failed(let failure): return .unknown(failure.isLocal ? .local(.record(failure)) : .record(failure))
        case .published(let id): return pause(for: id, at: now, pauses: pauses).map { .unknown($0) }
        case nil: return nil
        }
    }

    /// Whether the policy with this id has to be fetched.
    func needsFetch(_ id: RecordID, at now: WallTime, pauses: FetchPauses) -> Bool {
        if pause(for: id, at: now, pauses: pauses) != nil { return false }
        guard let cached = applicable(at: now) else { return true }
        return cached.id != id || cached.isAhead(of: now)
    }

    /// The answer to a lookup, if nothing has to be found out.
    func answer(at now: WallTime, pauses: FetchPauses) -> PolicyStatus? {
        guard policyToUpdate(at: now) == nil, let record, record.isFresh(at: now) else { return nil }
        if case .published(let id) = record.result, needsFetch(id, at: now, pauses: pauses) { return nil }
        return status(at: now, pauses: pauses)
    }

    /// When the answer to a lookup may change, if the entry does not change and the clock is not set back; `nil`: unknown.
    /// Called only if `answer` has one.
    func answerEnd(at now: WallTime) -> WallTime? {
        guard let record else { return nil }
        let recordEnd = record.at + record.lifetime
        guard let cached else {
            if case .published = record.result { return nil }
            return recordEnd
        }
        // Rare states of the clock or of the policy, in which more than these two times counts.
        guard cached.applies(at: now), cached.clockBehindSince == nil, cached.previousFetchedAt == nil else {
            return nil
        }
        if case .published(let id) = record.result, id != cached.id { return nil }
        return min(recordEnd, cached.end(asOf: now))
    }

    /// In which order entries are evicted: no policy, then `none` and `testing`, then `enforce`.
    func priority(at now: WallTime) -> Int {
        switch applicable(at: now)?.policy.mode {
        case nil: 0
        case .some(.none), .testing: 1
        case .enforce: 2
        }
    }

    static let priorities = 3

    /// A fetch has brought this policy: earlier failures and warnings no longer count.
    mutating func replacePolicy(with new: CachedPolicy) {
        cached = new.policy.maxAge > 0 ? new : nil
        isExpiryLogged = false
        failedFetch = nil
        localFetchFailure = nil
        lastWarning = .start
        lastFetch = new.fetchedAt
    }
}

import Discovery
import MTASTS
import TextFormats

/// What the cache knows of one domain.
///
/// There may be a million entries, so they are compact: times without a flag, no memory for what most entries lack, and an id
/// only once if DNS still publishes that of the policy.
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

    // MARK: Memory

    /// Which answer of DNS the entry has. The frequent ones need no memory beside this octet.
    private enum RecordKind: UInt8 {
        case missing
        /// The id of the policy.
        case policyID
        case nameError
        case noData
        /// In `RareParts`.
        case other
    }

    /// What few entries have.
    private struct RareParts {
        var record: RecordResult?
        var failedFetch: FailedFetch?
        var localFetchFailure: LocalFetchError?
        var lastFetch: WallTime?
        var activity = Activity.idle
        var clockBehindSince: WallTime?
        var previousFetchedAt: WallTime?

        var isEmpty: Bool {
            record == nil && failedFetch == nil && localFetchFailure == nil && lastFetch == nil && activity == .idle
                && clockBehindSince == nil && previousFetchedAt == nil
        }
    }

    private final class RareBox: Sendable {
        let parts: RareParts

        init(_ parts: RareParts) { self.parts = parts }
    }

    // In this order there are no gaps: 87 octets.
    private var policy: STSPolicy?
    private var recordKind = RecordKind.missing
    /// The last warning that was logged because the policy cannot be refreshed.
    var lastWarning = ExpiryWarning.start
    private var policyID: RecordID?
    private var fetchedAt = CompactTime()
    private var recordAt = CompactTime()
    /// When Postfix last looked the domain up. It is not set back with the clock: a daemon that starts before its clock is
    /// right still refreshes the policies that were in use.
    private(set) var lastLookupAt: WallTime
    private var refreshTime = CompactTime()
    private var rareBox: RareBox?
    /// In milliseconds.
    private var recordLifetime: UInt32 = 0
    private var refreshSlot = CompactMinute()
    private var expirySlot = CompactMinute()
    /// The store could not be read: it may have a policy of this domain.
    var needsStoreRead = false
    /// Whether the policy's expiry is logged.
    var isExpiryLogged = false
    /// Whether the last fetch is that of the policy.
    private var isPolicyFetchLast = false

    init(lastLookupAt: WallTime) {
        self.lastLookupAt = lastLookupAt
    }

    private var rare: RareParts {
        get { rareBox?.parts ?? RareParts() }
        set { rareBox = newValue.isEmpty ? nil : RareBox(newValue) }
    }

    private mutating func changeRare(_ change: (inout RareParts) -> Void) {
        var parts = rare
        change(&parts)
        rare = parts
    }

    var record: Record? {
        get {
            let result: RecordResult
            switch recordKind {
            case .missing: return nil
            case .nameError: result = .absent(.nameError)
            case .noData: result = .absent(.noData)
            case .policyID:
                guard let policyID else { return nil }
                result = .published(policyID)
            case .other:
                guard let record = rareBox?.parts.record else { return nil }
                result = record
            }
            guard let at = recordAt.time else { return nil }
            return Record(result: result, at: at, lifetime: .milliseconds(recordLifetime))
        }
        set {
            recordAt.time = newValue?.at
            recordLifetime = UInt32(clamping: newValue?.lifetime.milliseconds ?? 0)
            recordKind = kind(of: newValue?.result)
            let other = recordKind == .other ? newValue?.result : nil
            if other != nil || rareBox?.parts.record != nil { changeRare { $0.record = other } }
        }
    }

    private func kind(of result: RecordResult?) -> RecordKind {
        switch result {
        case nil: .missing
        case .absent(.nameError): .nameError
        case .absent(.noData): .noData
        case .published(let id) where id == policyID: .policyID
        case .published, .absent, .failed: .other
        }
    }

    var cached: CachedPolicy? {
        get {
            guard let policy, let policyID, let fetchedAt = fetchedAt.time else { return nil }
            return CachedPolicy(
                policy, id: policyID, fetchedAt: fetchedAt, clockBehindSince: rareBox?.parts.clockBehindSince,
                previousFetchedAt: rareBox?.parts.previousFetchedAt)
        }
        set {
            // They may be stored as those of the policy.
            let (record, lastFetch) = (record, lastFetch)
            policy = newValue?.policy
            policyID = newValue?.id
            fetchedAt.time = newValue?.fetchedAt
            if rareBox != nil || newValue?.clockBehindSince != nil || newValue?.previousFetchedAt != nil {
                changeRare {
                    $0.clockBehindSince = newValue?.clockBehindSince
                    $0.previousFetchedAt = newValue?.previousFetchedAt
                }
            }
            self.record = record
            self.lastFetch = lastFetch
        }
    }

    /// When the last fetch ended, successfully or not.
    var lastFetch: WallTime? {
        get { isPolicyFetchLast ? fetchedAt.time : rareBox?.parts.lastFetch }
        set {
            isPolicyFetchLast = newValue != nil && newValue == fetchedAt.time
            let other = isPolicyFetchLast ? nil : newValue
            if other != rareBox?.parts.lastFetch { changeRare { $0.lastFetch = other } }
        }
    }

    var failedFetch: FailedFetch? {
        get { rareBox?.parts.failedFetch }
        set { if newValue !== failedFetch { changeRare { $0.failedFetch = newValue } } }
    }

    /// The last fetch, if it failed because of this host. What is known of the policy host stays.
    var localFetchFailure: LocalFetchError? {
        get { rareBox?.parts.localFetchFailure }
        set { if newValue !== localFetchFailure { changeRare { $0.localFetchFailure = newValue } } }
    }

    var activity: Activity {
        get { rareBox?.parts.activity ?? .idle }
        set { if newValue != activity { changeRare { $0.activity = newValue } } }
    }

    /// When the policy is refreshed in the background; `nil`: not at all.
    var refreshAt: WallTime? {
        get { refreshTime.time }
        set { refreshTime.time = newValue }
    }

    /// The entry's minute in the refresh queue.
    var refreshMinute: RefreshQueue.Minute? {
        get { refreshSlot.minute }
        set { refreshSlot.minute = newValue }
    }

    /// The entry's minute in the expiry queue.
    var expiryMinute: RefreshQueue.Minute? {
        get { expirySlot.minute }
        set { expirySlot.minute = newValue }
    }

    // MARK: Lookups

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

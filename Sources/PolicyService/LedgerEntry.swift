import Discovery
import MTASTS

/// What the ledger remembers of one domain.
struct LedgerEntry: Sendable {
    /// What DNS last said, and for how long it counts.
    struct Record: Sendable {
        var finding: RecordFinding
        var at: WallTime
        var lifetime: Duration

        func isFresh(at now: WallTime) -> Bool { now.isWithin(lifetime, of: at) }
    }

    /// The last fetch, if its policy host failed, and the last ones for other ids. A class, because most entries have
    /// none.
    final class FailedFetch: Sendable {
        /// The last failed fetch for one id.
        struct Attempt: Sendable {
            let id: RecordID
            let failure: PolicyFailure
            let at: WallTime
        }

        let last: Attempt
        let category: PolicyFailure.Category
        /// Failed fetches since the last good one, this one included.
        let count: Int
        /// The last ones for other ids since the last good fetch, newest first. Name servers that are out of step publish
        /// several ids in turn; each has its own pause (RFC 8461 §3.3).
        let others: [Attempt]

        var id: RecordID { last.id }
        var failure: PolicyFailure { last.failure }
        var at: WallTime { last.at }

        /// Ids whose failures are remembered: more than a domain's name servers publish at once.
        private static let maximumIDs = 4

        /// - Parameter previous: the failed fetch before this one, if no good one came between.
        init(
            id: RecordID, failure: PolicyFailure, category: PolicyFailure.Category, at: WallTime, count: Int,
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

    /// A fetch that this host failed at. A class, because most entries have none.
    final class LocalFetchFailure: Sendable {
        let id: RecordID
        let failure: PolicyFailure
        let at: WallTime

        init(id: RecordID, failure: PolicyFailure, at: WallTime) {
            self.id = id
            self.failure = failure
            self.at = at
        }
    }

    var record: Record?
    var held: HeldPolicy?
    var failedFetch: FailedFetch?
    /// The last fetch, if this host failed at it; what is known of the policy host stays.
    var localFetchFailure: LocalFetchFailure?
    /// When the last fetch ended, well or badly.
    var lastFetch: WallTime?
    /// What the archive has of it could not be read: there may be a policy that we do not know.
    var isUnread = false
    /// The discovery under way.
    var flight: FlightID?
    /// The flight is a refresh in the background: it keeps no lookup from an answer.
    var isRefreshing = false
    /// When Postfix last asked. It is not set back with the clock: a daemon that starts before its clock is right still
    /// fetches again what was in use.
    private(set) var askedAt: WallTime
    /// When the policy is to be fetched again in the background; `nil`: not at all.
    var refreshAt: WallTime?
    /// The entry's minute in the calendar.
    var appointment: RefreshCalendar.Minute?
    /// The entry's minute in the calendar of ends.
    var endMinute: RefreshCalendar.Minute?
    /// How much of a life that cannot be renewed the log was told of.
    var told = LifeMark.start
    /// The log has the end of this policy's life.
    var isEndLogged = false

    init(askedAt: WallTime) {
        self.askedAt = askedAt
    }

    /// Postfix asks, or asked, at `time`.
    mutating func noteLookup(at time: WallTime) { askedAt = max(askedAt, time) }

    /// The policy as it is to be remembered by now, where that differs: the clock is newly behind its fetch, or has gone
    /// further back, or is right again.
    private func heldByTheClock(at now: WallTime) -> HeldPolicy? {
        guard let held else { return nil }
        guard held.isAhead(of: now) else {
            return held.clockBehindSince == nil ? nil : held.clockBehind(since: nil)
        }
        if let since = held.clockBehindSince, !since.isAhead(of: now) { return nil }
        return held.clockBehind(since: now)
    }

    /// Notes whether the clock is behind the fetch of the policy. The time of the fetch stays.
    ///
    /// - Returns: whether that is new.
    mutating func noteClock(at now: WallTime) -> Bool {
        guard let new = heldByTheClock(at: now) else { return false }
        held = new
        return true
    }

    /// The policy, if it is alive.
    func applicable(at now: WallTime) -> HeldPolicy? {
        guard let held, held.applies(at: now) else { return nil }
        return held
    }

    /// Why a fetch for `id` is not repeated yet: it failed too lately (RFC 8461 §3.3, counted per id). `nil`: it may be
    /// fetched.
    private func pause(for id: RecordID, at now: WallTime, _ pauses: FetchPauses) -> Ignorance? {
        if let failed = failedFetch?.attempt(for: id), now.isWithin(pauses.afterFailure, of: failed.at) {
            return .policy(failed.failure)
        }
        if let failed = localFetchFailure, failed.id == id, now.isWithin(pauses.afterLocalFailure, of: failed.at) {
            return .local(.policy(failed.failure))
        }
        return nil
    }

    /// What can be answered without asking anybody: the living policy, else what was last found out.
    ///
    /// `nil` when nothing was ever found out, or the policy's life has ended since.
    func standing(at now: WallTime, _ pauses: FetchPauses) -> Standing? {
        if let held = applicable(at: now) { return .policy(held) }
        switch record?.finding {
        case .absent(let absence): return .noPolicy(absence)
        case .failed(let failure): return .unknown(failure.isLocal ? .local(.record(failure)) : .record(failure))
        case .published(let id): return pause(for: id, at: now, pauses).map { .unknown($0) }
        case nil: return nil
        }
    }

    /// Whether the policy of `id` has to be fetched.
    func needsFetch(_ id: RecordID, at now: WallTime, _ pauses: FetchPauses) -> Bool {
        if pause(for: id, at: now, pauses) != nil { return false }
        guard let held = applicable(at: now) else { return true }
        return held.id != id || held.isAhead(of: now)
    }

    /// What can be answered because nothing has to be found out; `nil` where something has.
    func answer(at now: WallTime, _ pauses: FetchPauses) -> Standing? {
        guard heldByTheClock(at: now) == nil, let record, record.isFresh(at: now) else { return nil }
        if case .published(let id) = record.finding, needsFetch(id, at: now, pauses) { return nil }
        return standing(at: now, pauses)
    }

    /// What goes first when memory is short: those without a policy, then `none` and `testing`, then `enforce`.
    func rank(at now: WallTime) -> Int {
        switch applicable(at: now)?.policy.mode {
        case nil: 0
        case .some(.none), .testing: 1
        case .enforce: 2
        }
    }

    static let ranks = 3
}

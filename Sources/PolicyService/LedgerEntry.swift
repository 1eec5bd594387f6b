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

    /// The last fetch, if it failed. A class, because most entries have none.
    final class FailedFetch: Sendable {
        let id: RecordID
        let failure: PolicyFailure
        let at: WallTime
        /// Failed fetches since the last good one, this one included.
        let count: Int

        init(id: RecordID, failure: PolicyFailure, at: WallTime, count: Int) {
            self.id = id
            self.failure = failure
            self.at = at
            self.count = count
        }
    }

    var record: Record?
    var held: HeldPolicy?
    var failedFetch: FailedFetch?
    /// When the last fetch ended, well or badly.
    var lastFetch: WallTime?
    /// Held although its time of fetching lay in the future: it is to be fetched again whatever the id says.
    var heldIsSuspect = false
    /// What the archive has of it could not be read: there may be a policy that we do not know.
    var isUnread = false
    /// The discovery under way.
    var flight: FlightID?
    /// The flight is a refresh in the background: it keeps no lookup from an answer.
    var isRefreshing = false
    /// When Postfix last asked.
    var askedAt: WallTime
    /// When the policy is to be fetched again in the background; `nil`: not at all.
    var refreshAt: WallTime?
    /// The entry's minute in the calendar.
    var appointment: RefreshCalendar.Minute?
    /// How much of a life that cannot be renewed the log was told of.
    var told = LifeMark.start

    init(askedAt: WallTime) {
        self.askedAt = askedAt
    }

    /// Whether the policy was fetched after `now`: the clock was set back since.
    func isFromTheFuture(at now: WallTime) -> Bool {
        guard let held else { return false }
        return held.fetchedAt.isAhead(of: now)
    }

    /// Takes a policy from the future as fetched now, and to be fetched again (the clock was set back).
    mutating func redate(at now: WallTime) {
        held = held?.fetched(at: now)
        heldIsSuspect = true
    }

    /// The policy, if it is alive.
    func applicable(at now: WallTime) -> HeldPolicy? {
        guard let held, held.applies(at: now) else { return nil }
        return held
    }

    /// Whether a fetch for `id` failed so lately that it is not repeated (RFC 8461 §3.3, counted per id).
    func isBarred(_ id: RecordID, at now: WallTime, for retryAfter: Duration) -> Bool {
        guard let failedFetch, failedFetch.id == id else { return false }
        return now.isWithin(retryAfter, of: failedFetch.at)
    }

    /// What can be answered without asking anybody: the living policy, else what was last found out.
    ///
    /// `nil` when nothing was ever found out, or the policy's life has ended since.
    func standing(at now: WallTime, retryAfter: Duration) -> Standing? {
        if let held = applicable(at: now) { return .policy(held) }
        switch record?.finding {
        case .absent(let absence): return .noPolicy(absence)
        case .failed(let failure): return .unknown(.record(failure))
        case .published(let id):
            guard isBarred(id, at: now, for: retryAfter), let failedFetch else { return nil }
            return .unknown(.policy(failedFetch.failure))
        case nil: return nil
        }
    }

    /// Whether the policy of `id` has to be fetched.
    func needsFetch(_ id: RecordID, at now: WallTime, retryAfter: Duration) -> Bool {
        if isBarred(id, at: now, for: retryAfter) { return false }
        guard let held = applicable(at: now) else { return true }
        return held.id != id || heldIsSuspect
    }

    /// What can be answered because nothing has to be found out; `nil` where something has.
    func answer(at now: WallTime, retryAfter: Duration) -> Standing? {
        guard !isFromTheFuture(at: now), let record, record.isFresh(at: now) else { return nil }
        if case .published(let id) = record.finding, needsFetch(id, at: now, retryAfter: retryAfter) { return nil }
        return standing(at: now, retryAfter: retryAfter)
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

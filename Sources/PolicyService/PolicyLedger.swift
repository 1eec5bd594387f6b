import Discovery
import MTASTS

/// What we know of each domain, who is finding out, and when to ask again.
///
/// A pure value: time comes in as a parameter, what is to be done goes out as a result. A lookup is `asked`; where it
/// starts a flight, the flight reports its steps with `recalled`, `recordLanded` and `policyLanded`, and ends with
/// `settle`, after the archive has what it was to keep. So one flight a domain covers the fetch *and* the store.
/// Refreshes are flights that `due` starts. What the archive is to keep without anybody waiting for it is in `takeChanges`.
/// Rules: RFC 8461 §3.3 and §5.1; README, "How long it believes".
/// Concurrency: none of its own; `PolicyService` keeps it behind a mutex.
package struct PolicyLedger: Sendable {
    private(set) var settings: LedgerSettings
    /// Whether there is an archive: policies outlive the process, and some may be in it that are not in memory.
    let isArchived: Bool
    /// Whether memory has all that the archive has, so that a domain that is not here is nowhere.
    var holdsAll: Bool
    /// Whether memory ever had no room for something that the archive keeps.
    var leftOut = false
    /// How often the archive was loaded.
    var loads = 0
    /// Since the last of these began, not all was handed over.
    var isLoading = false
    var entries: BoundedStore<PolicyDomain, LedgerEntry>
    var flights: [FlightID: Flight] = [:]
    private var lastFlight: UInt64 = 0
    var calendar = RefreshCalendar()
    /// When lives end, of policies whose end the log is to have.
    var ends = RefreshCalendar()
    var clock = ClockNotice()
    /// What was found out with nobody to tell it to yet, for the next `due`.
    var news: [News] = []
    var budget: RefreshBudget
    var jitter: Jitter
    /// When `due` was last asked.
    var lookedAt: WallTime?
    /// For the archive.
    var changes: [ArchiveChange] = []
    /// Domains that the operator made us forget, and that were not learnt again: the archive may still have them.
    var forgotten: Set<PolicyDomain> = []

    /// - Parameter isArchived: whether there is an archive besides.
    /// - Parameter seed: of the numbers that spread refreshes over the day.
    package init(settings: LedgerSettings = LedgerSettings(), isArchived: Bool = false, seed: UInt64 = 0) {
        self.settings = settings
        self.isArchived = isArchived
        holdsAll = !isArchived
        entries = BoundedStore(capacity: settings.maximumDomains, ranks: LedgerEntry.ranks)
        budget = RefreshBudget(settings.refresh)
        jitter = Jitter(seed: seed)
    }

    /// Domains in memory.
    package var count: Int { entries.count }
    /// Discoveries under way.
    package var flightCount: Int { flights.count }
    /// Policies that are fetched again in the background.
    package var refreshedCount: Int { calendar.count }

    /// From now on these numbers count, for what is learnt from now on; but the room stays as it was made.
    package mutating func use(_ new: LedgerSettings) {
        settings = new
        budget.use(new.refresh)
    }

    // MARK: A lookup

    /// A hit: what can be answered with nothing to find out; `nil` where `asked` has to be.
    package mutating func answer(to domain: PolicyDomain, at now: WallTime) -> Standing? {
        let pauses = settings.pauses
        let answer = entries.use(domain) { entry -> Standing? in
            guard entry.flight == nil || entry.isRefreshing else { return nil }
            entry.noteLookup(at: now)
            return entry.answer(at: now, pauses)
        }
        return answer ?? nil
    }

    /// Postfix asks for `domain`.
    package mutating func asked(_ domain: PolicyDomain, at now: WallTime) -> Asked {
        guard var entry = entries.use(domain) else {
            let first: FlightPlan.Step = holdsAll ? .record : .recall
            return start(first, of: domain, LedgerEntry(askedAt: now), known: nil, at: now)
        }
        entry.noteLookup(at: now)
        if note(clock: now, in: &entry, of: domain) { entries.replace(entry, for: domain) }
        if let flight = entry.flight, !entry.isRefreshing { return asked(during: flight, entry, at: now) }
        if let answer = entry.answer(at: now, settings.pauses) { return .answer(answer) }
        if let flight = entry.flight {
            // From now on somebody waits for it.
            store(entry, for: domain, at: now)
            flights[flight]?.isAwaited = true
            return asked(during: flight, entry, at: now)
        }
        keepBehind(entry, of: domain, at: now)
        let known = entry.standing(at: now, settings.pauses)
        return start(firstStep(for: entry, at: now), of: domain, entry, known: known, at: now)
    }

    /// What can be said now, for one who cannot wait any longer.
    package func standing(of domain: PolicyDomain, at now: WallTime) -> Standing {
        entries.peek(domain)?.standing(at: now, settings.pauses) ?? .unknown(.unfinished)
    }

    func firstStep(for entry: LedgerEntry, at now: WallTime) -> FlightPlan.Step {
        entry.isUnread ? .recall : secondStep(for: entry, at: now)
    }

    private func secondStep(for entry: LedgerEntry, at now: WallTime) -> FlightPlan.Step {
        guard let record = entry.record, record.isFresh(at: now), case .published(let id) = record.finding else {
            return .record
        }
        return .policy(id)
    }

    private func asked(during id: FlightID, _ entry: LedgerEntry, at now: WallTime) -> Asked {
        guard let flight = flights[id], let known = entry.standing(at: now, settings.pauses),
            !flight.nothingAtHand
        else { return .join(id, atMost: nil) }
        return settings.patienceLeft(since: flight.startedAt, at: now).map { .join(id, atMost: $0) } ?? .answer(known)
    }

    private mutating func start(
        _ step: FlightPlan.Step, of domain: PolicyDomain, _ entry: LedgerEntry, known: Standing?, at now: WallTime
    ) -> Asked {
        let nothingAtHand = Self.isNothing(known)
        let id = begin(Flight(domain: domain, startedAt: now, nothingAtHand: nothingAtHand, origin: .lookup))
        var entry = entry
        entry.flight = id
        store(entry, for: domain, at: now)
        let plan = FlightPlan(id: id, domain: domain, step: step, delay: delay(before: step, entry, at: now))
        return .start(plan, atMost: nothingAtHand ? nil : settings.patience)
    }

    mutating func begin(_ flight: Flight) -> FlightID {
        lastFlight += 1
        let id = FlightID(number: lastFlight)
        flights[id] = flight
        return id
    }

    /// A living policy, and a failure that is remembered, are answers at hand: news is waited for a little only. "No
    /// policy" whose time has run out is not: mail would go in clear past a policy published since.
    static func isNothing(_ known: Standing?) -> Bool {
        switch known {
        case .policy, .unknown(.policy): false
        case .noPolicy, .unknown(.record), .unknown(.local), .unknown(.unfinished), nil: true
        }
    }

    private func delay(before step: FlightPlan.Step, _ entry: LedgerEntry, at now: WallTime) -> Duration {
        guard case .policy = step, let last = entry.lastFetch, now.isWithin(settings.fetchInterval, of: last) else {
            return .zero
        }
        return settings.fetchInterval - (now - last)
    }

    // MARK: A flight's steps

    /// A flight and its domain's entry; `nil`: the flight lands nowhere.
    func underWay(_ id: FlightID) -> (flight: Flight, entry: LedgerEntry)? {
        guard let flight = flights[id], let entry = entries.peek(flight.domain), entry.flight == id else { return nil }
        return (flight, entry)
    }

    /// The archive was looked into for a domain that memory did not know.
    package mutating func recalled(_ id: FlightID, _ recollection: Recollection, at now: WallTime) -> Recalled {
        guard let (flight, known) = underWay(id) else { return Recalled(next: .settle, patience: nil) }
        var entry = known
        switch forgotten.contains(flight.domain) ? .nothing : recollection {
        case .policy(let kept) where entry.held == nil:
            let record = entry.record
            entry = restored(kept, askedAt: entry.askedAt, flight: id, at: now)
            entry.record = record ?? entry.record
            note(clock: now, in: &entry, of: flight.domain)
        case .policy, .nothing:
            entry.isUnread = false
        case .unreadable:
            entry.isUnread = entry.held == nil
        }
        store(entry, for: flight.domain, at: now)
        // Told apart from here on: who waits for news of a living policy, and who for a first answer.
        let nothingAtHand = Self.isNothing(entry.standing(at: now, settings.pauses))
        flights[id]?.nothingAtHand = nothingAtHand
        flights[id]?.startedAt = now
        let patience = nothingAtHand ? nil : settings.patience
        if flight.origin == .admin { return Recalled(next: .askRecord, patience: patience) }
        if entry.answer(at: now, settings.pauses) != nil {
            return Recalled(next: .settle, patience: patience)
        }
        switch secondStep(for: entry, at: now) {
        case .policy(let id):
            return Recalled(next: .fetch(id, delay: delay(before: .policy(id), entry, at: now)), patience: patience)
        case .record, .recall, .refresh:
            return Recalled(next: .askRecord, patience: patience)
        }
    }

    /// The TXT query of a flight has ended.
    package mutating func recordLanded(_ id: FlightID, _ report: RecordReport, at now: WallTime) -> NextStep {
        guard let (flight, known) = underWay(id) else { return .settle }
        var entry = known
        flights[id]?.changes += entry.recordChange(to: report.finding, at: now)
        flights[id]?.record = report.finding
        entry.record = LedgerEntry.Record(finding: report.finding, at: now, lifetime: lifetime(of: report, entry))
        store(entry, for: flight.domain, at: now)
        guard let recordID = idToFetch(entry, report.finding, flight.origin, at: now) else { return .settle }
        return .fetch(recordID, delay: delay(before: .policy(recordID), entry, at: now))
    }

    /// The operator's word goes before ids and pauses, and a held policy is fetched again whatever DNS says.
    private func idToFetch(
        _ entry: LedgerEntry, _ finding: RecordFinding, _ origin: Origin, at now: WallTime
    ) -> RecordID? {
        guard case .published(let id) = finding else { return origin == .admin ? entry.applicable(at: now)?.id : nil }
        return origin == .admin || entry.needsFetch(id, at: now, settings.pauses) ? id : nil
    }

    /// How urgent a flight's fetch is.
    func purpose(of id: FlightID, at now: WallTime) -> FetchPurpose {
        guard let (_, entry) = underWay(id) else { return .firstContact }
        if entry.applicable(at: now) != nil { return .cachedPolicy }
        return entry.failedFetch == nil ? .firstContact : .retry
    }

    /// The fetch of a flight has ended. Nothing is answered from it before `settle`.
    ///
    /// - Returns: what has to be in the archive before that.
    package mutating func policyLanded(
        _ id: FlightID, _ recordID: RecordID, _ finding: PolicyFinding, at now: WallTime
    ) -> ArchiveChange? {
        guard let (flight, entry) = underWay(id) else { return nil }
        let domain = flight.domain
        switch finding {
        case .failed(let failure):
            flights[id]?.landing = .failure(failure, of: recordID, at: now, after: entry.failedFetch)
            return nil
        case .policy(let fetched):
            let held = HeldPolicy(
                fetched, id: recordID, fetchedAt: now, previousFetchedAt: entry.held?.latestFetch(aheadOf: now))
            flights[id]?.landing = .policy(held)
            // §3.2: max_age 0 is applied to the delivery at hand and not cached.
            guard held.policy.maxAge > 0 else { return .remove(domain) }
            return .keep(entry.archived(held, failure: nil, of: domain))
        }
    }

    /// The flight is over, and what the archive was to keep is kept: from now on it is what we say.
    package mutating func settle(_ id: FlightID, at now: WallTime) -> Landing? {
        let known = underWay(id)
        guard let flight = flights.removeValue(forKey: id) else { return nil }
        if flight.origin == .refresh { budget.end(flight.addresses) }
        guard let before = known?.entry else { return nil }
        var entry = before
        let domain = flight.domain
        entry.flight = nil
        entry.isRefreshing = false
        entries.letGo(domain)
        var changes = flight.changes
        var standing: Standing?
        switch flight.landing {
        case .policy(let held):
            changes += entry.policyChange(to: held)
            entry.held = held.policy.maxAge > 0 ? held : nil
            entry.isEndLogged = false
            entry.failedFetch = nil
            entry.localFetchFailure = nil
            entry.told = .start
            entry.lastFetch = held.fetchedAt
            forgotten.remove(domain)
            standing = .policy(held)
        case .failed(let failed):
            changes += entry.failureChange(to: failed, at: now)
            entry.failedFetch = failed
            entry.localFetchFailure = nil
            entry.lastFetch = failed.at
            changes += entry.lifeChange(at: now)
            // What is over is the archive's to delete.
            if entry.applicable(at: now) != nil { keep(entry, of: domain) }
        case .failedLocally(let failed):
            changes += entry.localFailureChange(to: failed.failure, at: now)
            entry.localFetchFailure = failed
        case nil:
            break
        }
        changes += end(of: &entry, domain, at: now)
        let wasFetched = flight.landing?.isOfThePolicyHost ?? false
        if flight.origin == .refresh, !wasFetched {
            postpone(&entry, of: domain, at: now)
        } else {
            plan(&entry, of: domain, afterFetch: wasFetched, at: now)
        }
        // A refresh that nobody waited for is no use of the domain.
        entries.replace(entry, for: domain, rank: entry.rank(at: now))
        let answer = standing ?? entry.standing(at: now, settings.pauses) ?? .unknown(.unfinished)
        return Landing(
            standing: answer, news: News(domain: domain, changes: changes, origin: flight.origin),
            refresh: flight.origin == .admin ? RefreshResult(flight, before, answer) : nil)
    }

    // MARK: What is remembered

    private func lifetime(of report: RecordReport, _ entry: LedgerEntry) -> Duration {
        if case .failed(let failure) = report.finding {
            return failure.isLocal ? min(settings.localFailureLifetime, settings.minimumTTL) : settings.minimumTTL
        }
        // What the archive has is looked for again soon, too.
        if entry.isUnread { return settings.minimumTTL }
        return settings.lifetime(ofTTL: report.timeToLive)
    }

    /// Stores what a lookup or its flight knows now.
    mutating func store(_ entry: LedgerEntry, for domain: PolicyDomain, at now: WallTime) {
        // A domain with a flight is never pushed out: its waiters would hear of nothing.
        let rank = entry.flight == nil ? entry.rank(at: now) : nil
        for (domain, entry) in entries.store(entry, for: domain, rank: rank) { evicted(domain, entry) }
    }
}

import Discovery
import MTASTS

/// What we know of each domain, who is finding out, and when to ask again.
///
/// A pure value: time comes in as a parameter, what is to be done goes out as a result. A lookup is `asked`; where it
/// starts a flight, the flight reports its steps with `recordLanded` and `policyLanded`, and ends with `settle`, after
/// the archive has what it was to keep. So one flight a domain covers the fetch *and* the store.
/// Rules: RFC 8461 §3.3 and §5.1; README, "How long it believes".
/// Concurrency: none of its own; `PolicyService` keeps it behind a mutex.
package struct PolicyLedger: Sendable {
    private let settings: LedgerSettings
    private var entries: BoundedStore<PolicyDomain, LedgerEntry>
    private var flights: [FlightID: Flight] = [:]
    private var lastFlight: UInt64 = 0

    package init(settings: LedgerSettings = LedgerSettings()) {
        self.settings = settings
        entries = BoundedStore(capacity: settings.maximumDomains, ranks: LedgerEntry.ranks)
    }

    /// Domains in memory.
    package var count: Int { entries.count }
    /// Discoveries under way.
    package var flightCount: Int { flights.count }

    // MARK: A lookup

    /// A hit: what can be answered with nothing to find out; `nil` where `asked` has to be.
    package mutating func answer(to domain: PolicyDomain, at now: WallTime) -> Standing? {
        let retryAfter = settings.retryAfter
        return entries.use(domain) { $0.flight == nil ? $0.answer(at: now, retryAfter: retryAfter) : nil } ?? nil
    }

    /// Postfix asks for `domain`.
    package mutating func asked(_ domain: PolicyDomain, at now: WallTime) -> Asked {
        var entry = entries.use(domain) ?? LedgerEntry()
        if let flight = entry.flight { return asked(during: flight, entry, at: now) }
        if let answer = entry.answer(at: now, retryAfter: settings.retryAfter) { return .answer(answer) }
        if entry.isFromTheFuture(at: now) {
            // The clock was set back: the fetch counts as now, and is done again at once.
            entry.held = entry.held?.fetched(at: now)
            entry.heldIsSuspect = true
        }
        let known = entry.standing(at: now, retryAfter: settings.retryAfter)
        guard let record = entry.record, record.isFresh(at: now), case .published(let id) = record.finding else {
            return start(.record, of: domain, entry, known: known, at: now)
        }
        return start(.policy(id), of: domain, entry, known: known, at: now)
    }

    /// What can be said now, for one who cannot wait any longer.
    package func standing(of domain: PolicyDomain, at now: WallTime) -> Standing {
        entries.peek(domain)?.standing(at: now, retryAfter: settings.retryAfter) ?? .unknown(.unfinished)
    }

    private func asked(during id: FlightID, _ entry: LedgerEntry, at now: WallTime) -> Asked {
        guard let flight = flights[id], let known = entry.standing(at: now, retryAfter: settings.retryAfter),
            !flight.nothingAtHand
        else { return .join(id, atMost: nil) }
        // The flight is waited for together: who comes late waits for what is left of the patience only.
        let left = settings.patience - max(.zero, now - flight.startedAt)
        return left > .zero ? .join(id, atMost: left) : .answer(known)
    }

    private mutating func start(
        _ step: FlightPlan.Step, of domain: PolicyDomain, _ entry: LedgerEntry, known: Standing?, at now: WallTime
    ) -> Asked {
        lastFlight += 1
        let id = FlightID(number: lastFlight)
        let nothingAtHand = Self.isNothing(known)
        flights[id] = Flight(domain: domain, startedAt: now, nothingAtHand: nothingAtHand)
        var entry = entry
        entry.flight = id
        store(entry, for: domain, at: now)
        let plan = FlightPlan(id: id, domain: domain, step: step, delay: delay(before: step, entry, at: now))
        return .start(plan, atMost: nothingAtHand ? nil : settings.patience)
    }

    /// A living policy, and a failure that is remembered, are answers at hand: news is waited for a little only. "No
    /// policy" whose time has run out is not: mail would go in clear past a policy published since.
    private static func isNothing(_ known: Standing?) -> Bool {
        switch known {
        case .policy, .unknown(.policy): false
        case .noPolicy, .unknown(.record), .unknown(.unfinished), nil: true
        }
    }

    private func delay(before step: FlightPlan.Step, _ entry: LedgerEntry, at now: WallTime) -> Duration {
        guard case .policy = step, let last = entry.lastFetch, now.isWithin(settings.fetchInterval, of: last) else {
            return .zero
        }
        return settings.fetchInterval - (now - last)
    }

    // MARK: A flight's steps

    /// The TXT query of a flight has ended.
    package mutating func recordLanded(_ id: FlightID, _ report: RecordReport, at now: WallTime) -> NextStep {
        guard let flight = flights[id], var entry = entries.peek(flight.domain) else { return .settle }
        note(recordChange(from: entry, to: report.finding, at: now), in: id)
        entry.record = LedgerEntry.Record(finding: report.finding, at: now, lifetime: lifetime(of: report))
        store(entry, for: flight.domain, at: now)
        guard case .published(let recordID) = report.finding,
            entry.needsFetch(recordID, at: now, retryAfter: settings.retryAfter)
        else {
            return .settle
        }
        return .fetch(recordID, delay: delay(before: .policy(recordID), entry, at: now))
    }

    /// The fetch of a flight has ended. Nothing is answered from it before `settle`.
    package mutating func policyLanded(
        _ id: FlightID, _ recordID: RecordID, _ finding: PolicyFinding, at now: WallTime
    ) -> ArchiveChange? {
        guard let domain = flights[id]?.domain else { return nil }
        switch finding {
        case .failed(let failure):
            flights[id]?.landing = .failed(LedgerEntry.FailedFetch(id: recordID, failure: failure, at: now))
            return nil
        case .policy(let fetched):
            let held = HeldPolicy(fetched, id: recordID, fetchedAt: now)
            flights[id]?.landing = .policy(held)
            // §3.2: max_age 0 is applied to the delivery at hand and not cached.
            guard held.policy.maxAge > 0 else { return .remove(domain) }
            return .keep(ArchivedPolicy(domain: domain, text: held.text, id: held.id, fetchedAt: now))
        }
    }

    /// The flight is over, and what the archive was to keep is kept: from now on it is what we say.
    package mutating func settle(_ id: FlightID, at now: WallTime) -> Landing? {
        guard let flight = flights.removeValue(forKey: id), var entry = entries.peek(flight.domain) else { return nil }
        entry.flight = nil
        var changes = flight.changes
        var standing: Standing?
        switch flight.landing {
        case .policy(let held):
            changes += policyChange(from: entry, to: held)
            entry.held = held.policy.maxAge > 0 ? held : nil
            entry.heldIsSuspect = false
            entry.failedFetch = nil
            entry.lastFetch = held.fetchedAt
            standing = .policy(held)
        case .failed(let failed):
            changes += failureChange(from: entry, to: failed, at: now)
            entry.failedFetch = failed
            entry.lastFetch = failed.at
        case nil:
            break
        }
        store(entry, for: flight.domain, at: now)
        return Landing(
            domain: flight.domain,
            standing: standing ?? entry.standing(at: now, retryAfter: settings.retryAfter) ?? .unknown(.unfinished),
            changes: changes)
    }

    /// Takes in what an archive kept. A policy whose life is over is not taken in.
    package mutating func restore(_ held: HeldPolicy, of domain: PolicyDomain, at now: WallTime) {
        guard held.applies(at: now), entries.peek(domain)?.held == nil else { return }
        var entry = entries.peek(domain) ?? LedgerEntry()
        entry.held = held
        store(entry, for: domain, at: now)
    }

    // MARK: What is remembered

    private func lifetime(of report: RecordReport) -> Duration {
        if case .failed = report.finding { return settings.minimumTTL }
        return min(max(.seconds(report.timeToLive), settings.minimumTTL), settings.maximumTTL)
    }

    private mutating func store(_ entry: LedgerEntry, for domain: PolicyDomain, at now: WallTime) {
        // A domain with a flight is never pushed out: its waiters would hear of nothing.
        entries.store(entry, for: domain, rank: entry.flight == nil ? entry.rank(at: now) : nil)
    }

    private mutating func note(_ changes: [Change], in id: FlightID) {
        flights[id]?.changes += changes
    }
}

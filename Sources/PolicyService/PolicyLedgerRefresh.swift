import Discovery
import MTASTS

/// Fetching again in the background: RFC 8461 §3.3 and §10.2; README, "How long it believes".
extension PolicyLedger {
    /// What has to be done in the background by now. To be asked every few seconds; what the budget does not allow yet
    /// comes with one of the next calls.
    package mutating func due(at now: WallTime) -> Due {
        if let lookedAt, now + Self.setBack < lookedAt { planAgain(at: now) }
        lookedAt = now
        var due = Due()
        due.news = news
        news = []
        for domain in ends.take(at: now, atMost: Self.maximumEnds) { noteEnd(of: domain, &due, at: now) }
        due.clockBehind = clock.takeSpan(at: now)
        var available = budget.available(of: calendar.count, at: now)
        while available > 0 {
            let domains = calendar.take(at: now, atMost: available)
            if domains.isEmpty { break }
            for domain in domains where keepAppointment(of: domain, &due, at: now) { available -= 1 }
        }
        return due
    }

    /// A clock that is set back by more than this makes a new calendar; less is what NTP does all the time.
    private static let setBack = Duration.seconds(60)

    /// Ends that are noted in one call; after a jump of the clock the rest follows with the next ones.
    private static let maximumEnds = 1_000

    /// The minute has begun in which a life was to end.
    private mutating func noteEnd(of domain: PolicyDomain, _ due: inout Due, at now: WallTime) {
        guard var entry = entries.peek(domain) else { return }
        entry.endMinute = nil
        note(clock: now, in: &entry, of: domain)
        // A flight that is under way may renew it; it notes the end when it settles.
        if entry.flight == nil {
            let changes = end(of: &entry, domain, at: now)
            if !changes.isEmpty { due.news.append(News(domain: domain, changes: changes, origin: .refresh)) }
            appointEnd(&entry, of: domain, at: now)
            entries.replace(entry, for: domain, rank: entry.rank(at: now))
        } else {
            entries.replace(entry, for: domain)
        }
    }

    /// The end of a life that the log does not have yet. The archive is to know whether the log has it: a life that goes on,
    /// since the clock was ahead, ends another time.
    mutating func end(of entry: inout LedgerEntry, _ domain: PolicyDomain, at now: WallTime) -> [Change] {
        let wasLogged = entry.isEndLogged
        let changes = entry.endChange(at: now)
        if entry.isEndLogged != wasLogged { keep(entry, of: domain) }
        return changes
    }

    /// Notes whether the clock is behind the fetch of an entry's policy.
    ///
    /// The archive gets it when the clock is right again: after a restart it may be behind again, and the life then counts
    /// from there. While the clock is behind, `keepBehind` writes it for the policies that are in use.
    ///
    /// - Returns: whether that is new.
    @discardableResult
    mutating func note(clock now: WallTime, in entry: inout LedgerEntry, of domain: PolicyDomain) -> Bool {
        guard entry.noteClock(at: now) else { return false }
        if let held = entry.held, held.isAhead(of: now) {
            clock.isBehind(held.fetchedAt)
        } else {
            keep(entry, of: domain)
        }
        return true
    }

    /// A life that counts from now on, because the clock is behind, does so across a restart too.
    mutating func keepBehind(_ entry: LedgerEntry, of domain: PolicyDomain, at now: WallTime) {
        if entry.held?.isAhead(of: now) == true { keep(entry, of: domain) }
    }

    /// - Returns: whether a refresh was begun.
    private mutating func keepAppointment(of domain: PolicyDomain, _ due: inout Due, at now: WallTime) -> Bool {
        guard var entry = entries.peek(domain) else { return false }
        entry.appointment = nil
        note(clock: now, in: &entry, of: domain)
        let changes = entry.lifeChange(at: now)
        if !changes.isEmpty { due.news.append(News(domain: domain, changes: changes, origin: .refresh)) }
        // A flight that is under way makes the next appointment when it settles.
        let isDue = entry.flight == nil && (entry.refreshAt.map { $0 <= now } ?? false)
        guard isDue, entry.isInUse(at: now, settings.refresh), let held = entry.applicable(at: now) else {
            if isDue { entry.refreshAt = nil }
            if entry.flight == nil { appoint(&entry, of: domain, at: now) }
            entries.replace(entry, for: domain)
            return false
        }
        keepBehind(entry, of: domain, at: now)
        due.refreshes.append(startRefresh(of: domain, entry, held, at: now))
        return true
    }

    private mutating func startRefresh(
        of domain: PolicyDomain, _ entry: LedgerEntry, _ held: HeldPolicy, at now: WallTime
    ) -> FlightPlan {
        let id = begin(Flight(domain: domain, startedAt: now, nothingAtHand: false, origin: .refresh))
        budget.begin()
        var entry = entry
        entry.flight = id
        entry.isRefreshing = true
        entry.refreshAt = nil
        entries.replace(entry, for: domain, rank: entry.rank(at: now))
        entries.hold(domain)
        // What is fetched now is what was published under the last id that we know of.
        var published = held.id
        if case .published(let id) = entry.record?.finding { published = id }
        return FlightPlan(id: id, domain: domain, step: .refresh(published), delay: .zero)
    }

    /// The policy host's addresses are known. Whether a refresh may dial them now; if not, the flight is to settle, and
    /// the refresh comes again in some minutes. One that a lookup waits for may always.
    package mutating func mayDial(_ addresses: [IPAddress], in id: FlightID) -> Bool {
        guard let (flight, _) = underWay(id), budget.enter(addresses, inAnyCase: flight.isAwaited) else { return false }
        flights[id]?.addresses = addresses
        return true
    }

    // MARK: The calendar

    /// Makes the entry's appointment after a flight, or when it comes into memory.
    mutating func plan(_ entry: inout LedgerEntry, of domain: PolicyDomain, afterFetch: Bool, at now: WallTime) {
        if afterFetch || entry.refreshAt == nil {
            entry.refreshAt = entry.nextRefresh(at: now, settings, jitter: jitter.next())
        }
        appoint(&entry, of: domain, at: now)
    }

    /// A refresh that could not be tried now, because its policy host is busy with others: again in 1 to 5 minutes.
    mutating func postpone(_ entry: inout LedgerEntry, of domain: PolicyDomain, at now: WallTime) {
        entry.refreshAt = now + .seconds(60) + .seconds(240) * jitter.next()
        appoint(&entry, of: domain, at: now)
    }

    /// Never for a minute that has begun: `due`, which takes those, would not come to an end.
    mutating func appoint(_ entry: inout LedgerEntry, of domain: PolicyDomain, at now: WallTime) {
        appointEnd(&entry, of: domain, at: now)
        if let old = entry.appointment { calendar.remove(domain, at: old) }
        entry.appointment = nil
        guard entry.isInUse(at: now, settings.refresh), let held = entry.applicable(at: now) else { return }
        let mark = entry.nextMark(at: now).map { held.time(of: $0, asOf: now) }
        guard let next = [entry.refreshAt, mark].compactMap({ $0 }).min() else { return }
        let minute = max(RefreshCalendar.minute(notBefore: next), RefreshCalendar.current(at: now) + 1)
        calendar.add(domain, at: minute)
        entry.appointment = minute
    }

    /// Whatever else is planned for a policy, the end of its life is noted, once.
    private mutating func appointEnd(_ entry: inout LedgerEntry, of domain: PolicyDomain, at now: WallTime) {
        removeEnd(entry, of: domain)
        entry.endMinute = nil
        guard let held = entry.held, held.policy.mode != .none, !entry.isEndLogged else { return }
        let end = RefreshCalendar.minute(notBefore: held.end(asOf: now))
        let minute = max(end, RefreshCalendar.current(at: now) + 1)
        ends.add(domain, at: minute)
        entry.endMinute = minute
    }

    /// The entry goes: nothing is planned for it any more.
    mutating func removeAppointments(_ entry: LedgerEntry, of domain: PolicyDomain) {
        if let appointment = entry.appointment { calendar.remove(domain, at: appointment) }
        removeEnd(entry, of: domain)
    }

    private mutating func removeEnd(_ entry: LedgerEntry, of domain: PolicyDomain) {
        if let minute = entry.endMinute { ends.remove(domain, at: minute) }
    }

    /// The clock was set back: what was planned by it is worth nothing. An earlier time at which it was behind is too,
    /// unless it was still behind then.
    private mutating func planAgain(at now: WallTime) {
        calendar.removeAll()
        ends.removeAll()
        for domain in Array(entries.keys) {
            guard var entry = entries.peek(domain), let held = entry.held else { continue }
            if let lookedAt, !held.isAhead(of: lookedAt) { entry.held = held.clockBehind(since: nil) }
            note(clock: now, in: &entry, of: domain)
            if held.applies(at: now), entry.isEndLogged {
                entry.isEndLogged = false
                keep(entry, of: domain)
            }
            entry.appointment = nil
            entry.endMinute = nil
            if entry.flight == nil {
                entry.refreshAt = nil
                plan(&entry, of: domain, afterFetch: true, at: now)
            }
            entries.replace(entry, for: domain)
        }
    }
}

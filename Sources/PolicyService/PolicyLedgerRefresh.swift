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

    /// - Returns: whether a refresh was begun.
    private mutating func keepAppointment(of domain: PolicyDomain, _ due: inout Due, at now: WallTime) -> Bool {
        guard var entry = entries.peek(domain) else { return false }
        entry.appointment = nil
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
        if entry.isFromTheFuture(at: now) {
            entry.redate(at: now)
            keep(entry, of: domain)
        }
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
        if let old = entry.appointment { calendar.remove(domain, at: old) }
        entry.appointment = nil
        guard entry.isInUse(at: now, settings.refresh), let held = entry.applicable(at: now) else { return }
        let mark = entry.nextMark(at: now).map { held.time(of: $0) }
        guard let next = [entry.refreshAt, mark].compactMap({ $0 }).min() else { return }
        let minute = max(RefreshCalendar.minute(notBefore: next), RefreshCalendar.current(at: now) + 1)
        calendar.add(domain, at: minute)
        entry.appointment = minute
    }

    /// The clock was set back: what was planned by it is worth nothing.
    private mutating func planAgain(at now: WallTime) {
        calendar.removeAll()
        for domain in Array(entries.keys) {
            guard var entry = entries.peek(domain), entry.held != nil, entry.flight == nil else { continue }
            entry.appointment = nil
            entry.refreshAt = nil
            plan(&entry, of: domain, afterFetch: true, at: now)
            entries.replace(entry, for: domain)
        }
    }
}

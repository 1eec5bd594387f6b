import Discovery
import MTASTS
import TextFormats

/// Background refresh: RFC 8461 §3.3 and §10.2, Documentation/caching.md.
extension PolicyCache {
    /// The background work that is due now. Called every few seconds; work that exceeds the budget is returned by one of the
    /// next calls.
    package mutating func due(at now: WallTime) -> CacheResult<DueWork> {
        handle { $0.takeDue(at: now) }
    }

    private mutating func takeDue(at now: WallTime) -> DueWork {
        if let lastCheck, now + Self.setBack < lastCheck { planAgain(at: now) }
        lastCheck = now
        var due = DueWork()
        for slot in expiryQueue.take(at: now, atMost: Self.maximumExpiries) {
            if let domain = entries.key(at: slot) { noteExpiry(of: domain, at: now) }
        }
        due.clockBehind = clock.takeSpan(at: now)
        var available = budget.available(of: refreshQueue.count, at: now)
        while available > 0 {
            let slots = refreshQueue.take(at: now, atMost: available)
            if slots.isEmpty { break }
            for slot in slots {
                guard let domain = entries.key(at: slot), let plan = takeRefresh(of: domain, at: now) else { continue }
                due.refreshes.append(plan)
                available -= 1
            }
        }
        return due
    }

    /// If the clock was set back by more than this, everything is scheduled again. NTP makes smaller steps all the time.
    private static let setBack = Duration.seconds(60)

    /// Expiries that are reported in one call. After a jump of the clock the next calls report the rest.
    private static let maximumExpiries = 1_000

    /// The minute has begun in which a policy expires.
    private mutating func noteExpiry(of domain: PolicyDomain, at now: WallTime) {
        guard var entry = entries.peek(domain) else { return }
        entry.expiryMinute = nil
        note(clock: now, in: &entry, of: domain)
        // A flight in progress may renew the policy; it reports the expiry when it ends.
        if entry.flight == nil {
            report(logExpiry(of: &entry, domain: domain, at: now), of: domain, origin: .refresh)
            if let slot = entries.slot(of: domain) { scheduleExpiry(&entry, in: slot, at: now) }
            entries.replace(entry, for: domain, priority: entry.priority(at: now))
        } else {
            entries.replace(entry, for: domain)
        }
    }

    /// The expiry, if it is not logged yet. The store keeps whether it is logged: if the clock was ahead and is set back, the
    /// policy expires again later.
    mutating func logExpiry(of entry: inout CacheEntry, domain: PolicyDomain, at now: WallTime) -> [CacheEvent] {
        let wasLogged = entry.isExpiryLogged
        let events = entry.expiryEvents(at: now)
        if entry.isExpiryLogged != wasLogged { save(entry, of: domain) }
        return events
    }

    /// Notes whether the clock is behind the fetch of an entry's policy.
    ///
    /// It is saved when the clock is right again, because after a restart the clock may be behind again. While the clock is
    /// behind, `saveIfClockBehind` saves the policies that are in use.
    ///
    /// - Returns: whether that is new.
    @discardableResult
    mutating func note(clock now: WallTime, in entry: inout CacheEntry, of domain: PolicyDomain) -> Bool {
        guard entry.noteClock(at: now) else { return false }
        if let cached = entry.cached, cached.isAhead(of: now) {
            clock.isBehind(cached.fetchedAt)
        } else {
            save(entry, of: domain)
        }
        return true
    }

    /// A lifetime that counts from now on, because the clock is behind, must survive a restart.
    mutating func saveIfClockBehind(_ entry: CacheEntry, of domain: PolicyDomain, at now: WallTime) {
        if entry.cached?.isAhead(of: now) == true { save(entry, of: domain) }
    }

    /// The minute of a domain in the refresh queue has begun.
    ///
    /// - Returns: the refresh, if it is due.
    private mutating func takeRefresh(of domain: PolicyDomain, at now: WallTime) -> FlightPlan? {
        guard var entry = entries.peek(domain) else { return nil }
        entry.refreshMinute = nil
        note(clock: now, in: &entry, of: domain)
        report(entry.warningEvents(at: now), of: domain, origin: .refresh)
        // A flight in progress schedules the next refresh when it ends.
        let isDue = entry.flight == nil && (entry.refreshAt.map { $0 <= now } ?? false)
        guard isDue, entry.isInUse(at: now, settings: settings.refresh), let cached = entry.applicable(at: now) else {
            if isDue { entry.refreshAt = nil }
            if entry.flight == nil { schedule(&entry, of: domain, at: now) }
            entries.replace(entry, for: domain)
            return nil
        }
        saveIfClockBehind(entry, of: domain, at: now)
        return startRefresh(of: domain, entry: entry, cached: cached, at: now)
    }

    private mutating func startRefresh(
        of domain: PolicyDomain, entry: CacheEntry, cached: CachedPolicy, at now: WallTime
    ) -> FlightPlan {
        let id = begin(Flight(domain: domain, startedAt: now, hasNoAnswerYet: false, origin: .refresh))
        budget.begin()
        var entry = entry
        entry.activity = .refreshing(id)
        entry.refreshAt = nil
        entries.replace(entry, for: domain, priority: entry.priority(at: now))
        entries.retain(domain)
        // The fetched policy belongs to the last published id that we know of.
        var published = cached.id
        if case .published(let id) = entry.record?.result { published = id }
        return FlightPlan(id: id, domain: domain, step: .refresh(published), delay: .zero)
    }

    /// Whether a refresh may connect to the policy host's addresses now. If not, the flight has to finish, and the refresh is
    /// tried again in some minutes. A refresh that a lookup waits for may always connect.
    package mutating func mayConnect(to addresses: [IPAddress], in id: FlightID) -> Bool {
        guard let (flight, _) = current(id), budget.enter(addresses, inAnyCase: flight.isAwaited) else { return false }
        flights[id]?.addresses = addresses
        return true
    }

    // MARK: The schedule

    /// Schedules an entry after a flight, or when it is loaded.
    mutating func plan(_ entry: inout CacheEntry, of domain: PolicyDomain, afterFetch: Bool, at now: WallTime) {
        if afterFetch || entry.refreshAt == nil {
            entry.refreshAt = entry.nextRefresh(at: now, settings: settings, jitter: jitter.next())
        }
        schedule(&entry, of: domain, at: now)
    }

    /// Postpones a refresh by 1 to 5 minutes because its policy host is busy with other refreshes.
    mutating func postpone(_ entry: inout CacheEntry, of domain: PolicyDomain, at now: WallTime) {
        entry.refreshAt = now + .seconds(60) + .seconds(240) * jitter.next()
        schedule(&entry, of: domain, at: now)
    }

    /// Never for a minute that has begun: `due` takes all of those, and would not end. The domain must have a slot.
    mutating func schedule(_ entry: inout CacheEntry, of domain: PolicyDomain, at now: WallTime) {
        guard let slot = entries.slot(of: domain) else { return }
        scheduleExpiry(&entry, in: slot, at: now)
        if let old = entry.refreshMinute { refreshQueue.remove(slot, at: old) }
        entry.refreshMinute = nil
        guard entry.isInUse(at: now, settings: settings.refresh), let cached = entry.applicable(at: now) else { return }
        let warning = entry.nextWarning(at: now).map { cached.time(of: $0, asOf: now) }
        guard let next = [entry.refreshAt, warning].compactMap({ $0 }).min() else { return }
        let minute = max(RefreshQueue.minute(notBefore: next), RefreshQueue.current(at: now) + 1)
        refreshQueue.add(slot, at: minute)
        entry.refreshMinute = minute
    }

    /// The expiry of each policy is reported once, whatever else is scheduled.
    private mutating func scheduleExpiry(_ entry: inout CacheEntry, in slot: Int32, at now: WallTime) {
        if let old = entry.expiryMinute { expiryQueue.remove(slot, at: old) }
        entry.expiryMinute = nil
        guard let cached = entry.cached, cached.policy.mode != .none, !entry.isExpiryLogged else { return }
        let end = RefreshQueue.minute(notBefore: cached.end(asOf: now))
        let minute = max(end, RefreshQueue.current(at: now) + 1)
        expiryQueue.add(slot, at: minute)
        entry.expiryMinute = minute
    }

    /// Removes an entry from the queues.
    mutating func unschedule(_ entry: CacheEntry, in slot: Int32) {
        if let minute = entry.refreshMinute { refreshQueue.remove(slot, at: minute) }
        if let minute = entry.expiryMinute { expiryQueue.remove(slot, at: minute) }
    }

    /// The clock was set back, so the schedule is wrong. The time since which the clock was behind is wrong too, unless the
    /// clock was still behind at the last check.
    private mutating func planAgain(at now: WallTime) {
        refreshQueue.removeAll()
        expiryQueue.removeAll()
        for domain in entries.keys {
            guard var entry = entries.peek(domain), let cached = entry.cached else { continue }
            if let lastCheck, !cached.isAhead(of: lastCheck) { entry.cached = cached.clockBehind(since: nil) }
            note(clock: now, in: &entry, of: domain)
            if cached.applies(at: now), entry.isExpiryLogged {
                entry.isExpiryLogged = false
                save(entry, of: domain)
            }
            entry.refreshMinute = nil
            entry.expiryMinute = nil
            if entry.flight == nil {
                entry.refreshAt = nil
                plan(&entry, of: domain, afterFetch: true, at: now)
            }
            entries.replace(entry, for: domain)
        }
    }
}

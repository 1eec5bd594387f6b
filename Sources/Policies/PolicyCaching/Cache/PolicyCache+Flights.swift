import Discovery
import MTASTS
import TextFormats

/// The steps of a flight.
extension PolicyCache {
    /// A flight and its domain's entry; `nil`: the domain was forgotten, and the flight's result is dropped.
    func current(_ id: FlightID) -> (flight: Flight, entry: CacheEntry)? {
        guard let flight = flights[id], let entry = entries.peek(flight.domain), entry.flight == id else { return nil }
        return (flight, entry)
    }

    /// The store was read for a domain that was not in memory.
    package mutating func storeRead(
        _ result: StoreLookup, in id: FlightID, at now: WallTime
    ) -> CacheResult<AfterStoreLookup> {
        handle { $0.nextStep(after: result, in: id, at: now) }
    }

    private mutating func nextStep(after result: StoreLookup, in id: FlightID, at now: WallTime) -> AfterStoreLookup {
        guard let (flight, known) = current(id) else { return AfterStoreLookup(next: .finish, timeout: nil) }
        var entry = known
        switch forgotten.contains(flight.domain) ? .nothing : result {
        case .policy(let loaded) where entry.cached == nil:
            let record = entry.record
            entry = loaded.entry(lastLookupAt: entry.lastLookupAt, flight: id)
            entry.record = record ?? entry.record
            note(clock: now, in: &entry, of: flight.domain)
        case .policy, .nothing:
            entry.needsStoreRead = false
        case .unreadable:
            entry.needsStoreRead = entry.cached == nil
        }
        store(entry, for: flight.domain, at: now)
        // Only now is it clear whether lookups wait for a first answer or for a newer one.
        let hasNoAnswerYet = !Self.isAnswer(entry.status(at: now, pauses: settings.pauses))
        flights[id]?.hasNoAnswerYet = hasNoAnswerYet
        flights[id]?.startedAt = now
        let timeout = hasNoAnswerYet ? nil : settings.maximumWait
        if flight.origin == .admin { return AfterStoreLookup(next: .queryRecord, timeout: timeout) }
        if entry.answer(at: now, pauses: settings.pauses) != nil {
            return AfterStoreLookup(next: .finish, timeout: timeout)
        }
        switch stepAfterStore(for: entry, at: now) {
        case .fetch(let id):
            let delay = delay(before: .fetch(id), entry: entry, at: now)
            return AfterStoreLookup(next: .fetch(id, delay: delay), timeout: timeout)
        case .queryRecord, .readStore, .refresh:
            return AfterStoreLookup(next: .queryRecord, timeout: timeout)
        }
    }

    /// The TXT query of a flight has ended.
    package mutating func recordReceived(
        _ report: RecordReport, in id: FlightID, at now: WallTime
    ) -> CacheResult<NextStep> {
        handle { $0.nextStep(after: report, in: id, at: now) }
    }

    private mutating func nextStep(after report: RecordReport, in id: FlightID, at now: WallTime) -> NextStep {
        guard let (flight, known) = current(id) else { return .finish }
        var entry = known
        flights[id]?.events += entry.recordEvents(for: report.result, at: now)
        flights[id]?.record = report.result
        entry.record = CacheEntry.Record(result: report.result, at: now, lifetime: lifetime(of: report, entry: entry))
        store(entry, for: flight.domain, at: now)
        guard let recordID = idToFetch(report.result, entry: entry, origin: flight.origin, at: now) else {
            return .finish
        }
        return .fetch(recordID, delay: delay(before: .fetch(recordID), entry: entry, at: now))
    }

    /// A refresh by the operator ignores ids and pauses, and fetches a cached policy again whatever DNS answers.
    private func idToFetch(
        _ record: RecordResult, entry: CacheEntry, origin: Origin, at now: WallTime
    ) -> RecordID? {
        guard case .published(let id) = record else { return origin == .admin ? entry.applicable(at: now)?.id : nil }
        return origin == .admin || entry.needsFetch(id, at: now, pauses: settings.pauses) ? id : nil
    }

    private func lifetime(of report: RecordReport, entry: CacheEntry) -> Duration {
        if case .failed(let error) = report.result {
            return error.isLocal ? min(settings.localFailureLifetime, settings.minimumTTL) : settings.minimumTTL
        }
        // The store is to be read again soon, too.
        if entry.needsStoreRead { return settings.minimumTTL }
        return settings.lifetime(ofTTL: report.timeToLive)
    }

    /// How urgent a flight's fetch is.
    package func purpose(of id: FlightID, at now: WallTime) -> FetchPurpose {
        guard let (_, entry) = current(id) else { return .firstContact }
        if entry.applicable(at: now) != nil { return .cachedPolicy }
        return entry.failedFetch == nil ? .firstContact : .retry
    }

    /// The fetch of a flight has ended. Lookups get its policy only after `finish`.
    ///
    /// - Returns: the store change that has to be durable before `finish`.
    package mutating func policyReceived(
        _ result: PolicyResult, id recordID: RecordID, in id: FlightID, at now: WallTime
    ) -> CacheResult<StoreChange?> {
        handle { $0.storeChange(for: result, id: recordID, in: id, at: now) }
    }

    private mutating func storeChange(
        for result: PolicyResult, id recordID: RecordID, in id: FlightID, at now: WallTime
    ) -> StoreChange? {
        guard let (flight, entry) = current(id) else { return nil }
        switch result {
        case .failed(let error):
            flights[id]?.outcome = .failure(error, of: recordID, at: now, after: entry.failedFetch)
            return nil
        case .policy(let policy):
            let cached = CachedPolicy(
                shared.sharing(policy), id: recordID, fetchedAt: now,
                previousFetchedAt: entry.cached?.latestFetch(aheadOf: now))
            flights[id]?.outcome = .policy(cached)
            // §3.2: a policy with max_age 0 applies to the current delivery and is not cached.
            guard policy.maxAge > 0 else { return .removePolicy(flight.domain) }
            return .savePolicy(entry.stored(cached, failure: nil, of: flight.domain))
        }
    }

    /// The flight has ended, and its policy is durable: from now on lookups get the new status.
    package mutating func finish(_ id: FlightID, at now: WallTime) -> CacheResult<FlightResult?> {
        handle { $0.end(id, at: now) }
    }

    private mutating func end(_ id: FlightID, at now: WallTime) -> FlightResult? {
        let known = current(id)
        guard let flight = flights.removeValue(forKey: id) else { return nil }
        if flight.origin == .refresh { budget.end(flight.addresses) }
        guard let before = known?.entry else { return nil }
        var entry = before
        let domain = flight.domain
        entry.activity = .idle
        entries.release(domain)
        var events = flight.events + apply(flight.outcome, to: &entry, of: domain, at: now)
        events += logExpiry(of: &entry, domain: domain, at: now)
        report(events, of: domain, origin: flight.origin)
        let wasFetched = flight.outcome?.isFromPolicyHost ?? false
        if flight.origin == .refresh, !wasFetched {
            postpone(&entry, of: domain, at: now)
        } else {
            plan(&entry, of: domain, afterFetch: wasFetched, at: now)
        }
        // A refresh that no lookup waited for does not count as a use of the domain.
        entries.replace(entry, for: domain, priority: entry.priority(at: now))
        var status = entry.status(at: now, pauses: settings.pauses) ?? .unknown(.unfinished)
        if case .policy(let cached) = flight.outcome { status = .policy(cached) }
        return FlightResult(
            status: status, origin: flight.origin,
            refresh: flight.origin == .admin ? RefreshResult(flight, before: before, status: status) : nil)
    }

    private mutating func apply(
        _ outcome: Flight.Outcome?, to entry: inout CacheEntry, of domain: PolicyDomain, at now: WallTime
    ) -> [CacheEvent] {
        switch outcome {
        case .policy(let cached):
            let events = entry.policyEvents(for: cached)
            entry.replacePolicy(with: cached)
            forgotten.remove(domain)
            return events
        case .failed(let failed):
            var events = entry.failureEvents(for: failed, at: now)
            entry.failedFetch = failed
            entry.localFetchFailure = nil
            entry.lastFetch = failed.at
            events += entry.warningEvents(at: now)
            // The store itself deletes expired policies.
            if entry.applicable(at: now) != nil { save(entry, of: domain) }
            return events
        case .failedLocally(let failed):
            let events = entry.localFailureEvents(for: failed.failure, at: now)
            entry.localFetchFailure = failed
            return events
        case nil:
            return []
        }
    }
}

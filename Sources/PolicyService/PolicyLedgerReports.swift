import Discovery
import MTASTS

/// What the ledger shows of itself. Nothing here counts as a use of a domain.
extension PolicyLedger {
    /// All places, for looking at some at a time.
    var places: Range<Int> { entries.places }

    /// What is remembered of a domain; `nil`: nothing.
    func report(of domain: PolicyDomain, at now: WallTime) -> EntryReport? {
        entries.peek(domain).map { EntryReport(domain, $0, at: now, settings) }
    }

    /// Whether the archive may have a policy of the domain that is not here.
    func mayBeArchived(_ domain: PolicyDomain) -> Bool {
        entries.peek(domain).map { $0.isUnread && $0.held == nil } ?? !holdsAll
    }

    /// What is kept of a domain in the archive only.
    func report(of kept: KeptPolicy, at now: WallTime) -> EntryReport {
        let entry = restored(kept, askedAt: kept.entry.askedAt, flight: nil, at: now)
        return EntryReport(kept.domain, entry, at: now, settings, isInArchiveOnly: true)
    }

    /// What can be said of a domain that is in the archive only.
    func standing(of kept: KeptPolicy, at now: WallTime) -> Standing {
        kept.entry.standing(at: now, settings.pauses) ?? .unknown(.unfinished)
    }

    /// What the next lookup does, as `asked` would tell it.
    func nextLookup(of domain: PolicyDomain, at now: WallTime) -> NextLookup {
        guard let entry = entries.peek(domain) else { return holdsAll ? .asksRecord : .looksIntoArchive }
        if entry.flight != nil, !entry.isRefreshing { return .joinsDiscovery }
        if let record = entry.record, entry.answer(at: now, settings.pauses) != nil {
            return .answeredAtOnce(until: entry.end(of: record, settings, at: now))
        }
        if entry.flight != nil { return .joinsDiscovery }
        switch firstStep(for: entry, at: now) {
        case .recall: return .looksIntoArchive
        case .policy(let id): return .fetches(id)
        case .record, .refresh: return .asksRecord
        }
    }

    /// Policies whose refresh is due, and waits for its turn.
    package func refreshesDue(at now: WallTime) -> Int { calendar.dueCount(at: now) }

    /// Counts the entries in some of the places.
    func count(_ slice: Range<Int>, in count: inout EntryCount) {
        entries.visit(slice) { _, domain, entry in count.add(domain, entry, settings) }
    }

    /// Shows the entries in some of the places to a selection.
    func show(_ slice: Range<Int>, to selection: inout EntrySelection) {
        entries.visit(slice) { place, domain, entry in selection.consider(domain, entry, at: place, settings) }
    }
}

extension LedgerEntry {
    /// Until when it is answered with nothing to find out, given that it is now.
    fileprivate func end(of record: Record, _ settings: LedgerSettings, at now: WallTime) -> WallTime {
        let end = record.at + record.lifetime
        let lifeEnd = applicable(at: now)?.end(asOf: now)
        return [end, lifeEnd, nextTry(record, settings, at: now)].compactMap(\.self).min() ?? end
    }

    /// When a fetch that failed is tried again; `nil`: the record asks for none.
    private func nextTry(_ record: Record, _ settings: LedgerSettings, at now: WallTime) -> WallTime? {
        guard case .published(let id) = record.finding, needsFetch(id, at: now, .none) else { return nil }
        let failure = failedFetch?.attempt(for: id).map { $0.at + settings.retryAfter }
        guard let local = localFetchFailure, local.id == id else { return failure }
        return max(failure ?? local.at, local.at + settings.localFailureLifetime)
    }
}

extension EntryReport {
    init(
        _ domain: PolicyDomain, _ entry: LedgerEntry, at now: WallTime, _ settings: LedgerSettings,
        isInArchiveOnly: Bool = false
    ) {
        self.domain = domain
        state = EntryState(entry.standing(at: now, settings.pauses))
        policy = entry.held
        isApplied = entry.applicable(at: now) != nil
        expiresAt = entry.held?.end(asOf: now)
        record = entry.record.map { Record(finding: $0.finding, at: $0.at, freshUntil: $0.at + $0.lifetime) }
        failure = entry.failedFetch.map {
            Failure(id: $0.id, failure: $0.failure, category: $0.category, at: $0.at, count: $0.count)
        }
        askedAt = entry.askedAt
        refreshAt = entry.refreshAt
        isUnderWay = entry.flight != nil
        isFailing = entry.isFailing(state)
        self.isInArchiveOnly = isInArchiveOnly
    }
}

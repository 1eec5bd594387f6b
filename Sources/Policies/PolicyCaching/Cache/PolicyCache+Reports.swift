import Discovery
import MTASTS
import TextFormats

/// What the operator sees of the cache. Nothing here counts as a use of a domain.
extension PolicyCache {
    /// All slots, to be visited some at a time.
    package var slots: Range<Int> { entries.slots }

    /// What is known of a domain; `nil`: nothing.
    package func report(of domain: PolicyDomain, at now: WallTime) -> EntryReport? {
        entries.peek(domain).map { EntryReport(of: domain, entry: $0, at: now, settings: settings) }
    }

    /// Whether the store may have a policy of the domain that is not in memory.
    package func mayBeInStore(_ domain: PolicyDomain) -> Bool {
        entries.peek(domain).map { $0.needsStoreRead && $0.cached == nil } ?? !isComplete
    }

    /// A report of a domain that is only in the store.
    package func report(of loaded: LoadedPolicy, at now: WallTime) -> EntryReport {
        EntryReport(of: loaded.domain, entry: loaded.entry, at: now, settings: settings, isInStoreOnly: true)
    }

    /// The status of a domain that is only in the store.
    package func status(of loaded: LoadedPolicy, at now: WallTime) -> PolicyStatus {
        loaded.entry.status(at: now, pauses: settings.pauses) ?? .unknown(.unfinished)
    }

    /// What the next `lookup` of a domain does.
    package func nextLookup(of domain: PolicyDomain, at now: WallTime) -> NextLookup {
        guard let entry = entries.peek(domain) else { return isComplete ? .queriesRecord : .readsStore }
        if entry.isDiscovering { return .joinsDiscovery }
        if let record = entry.record, entry.answer(at: now, pauses: settings.pauses) != nil {
            return .answeredAtOnce(until: entry.end(of: record, settings: settings, at: now))
        }
        if entry.flight != nil { return .joinsDiscovery }
        switch firstStep(for: entry, at: now) {
        case .readStore: return .readsStore
        case .fetch(let id): return .fetches(id)
        case .queryRecord, .refresh: return .queriesRecord
        }
    }

    /// Policies whose refresh is due and waits for its turn.
    package func refreshesDue(at now: WallTime) -> Int { refreshQueue.dueCount(at: now) }

    /// Counts the entries in a range of slots.
    package func count(_ range: Range<Int>, in count: inout EntryCount) {
        entries.visit(range) { _, domain, entry in count.add(domain, entry: entry, settings: settings) }
    }

    /// Passes the entries in a range of slots to a selection.
    package func show(_ range: Range<Int>, to selection: inout EntrySelection) {
        entries.visit(range) { slot, domain, entry in
            selection.consider(domain, entry: entry, at: slot, settings: settings)
        }
    }
}

extension CacheEntry {
    /// Until when lookups are answered from memory, as seen from `now`.
    fileprivate func end(of record: Record, settings: CacheSettings, at now: WallTime) -> WallTime {
        let end = record.at + record.lifetime
        let expiry = applicable(at: now)?.end(asOf: now)
        return [end, expiry, nextTry(record, settings: settings, at: now)].compactMap(\.self).min() ?? end
    }

    /// When a failed fetch is tried again; `nil`: the record needs no fetch.
    private func nextTry(_ record: Record, settings: CacheSettings, at now: WallTime) -> WallTime? {
        guard case .published(let id) = record.result, needsFetch(id, at: now, pauses: .none) else { return nil }
        let failure = failedFetch?.attempt(for: id).map { $0.at + settings.retryAfter }
        guard let local = localFetchFailure, local.id == id else { return failure }
        return max(failure ?? local.at, local.at + settings.localFailureLifetime)
    }
}

extension EntryReport {
    init(
        of domain: PolicyDomain, entry: CacheEntry, at now: WallTime, settings: CacheSettings,
        isInStoreOnly: Bool = false
    ) {
        self.domain = domain
        state = EntryState(entry.status(at: now, pauses: settings.pauses))
        policy = entry.cached
        isApplied = entry.applicable(at: now) != nil
        expiresAt = entry.cached?.end(asOf: now)
        record = entry.record.map { Record(result: $0.result, at: $0.at, freshUntil: $0.at + $0.lifetime) }
        failure = entry.failedFetch.map {
            Failure(id: $0.id, failure: $0.failure, category: $0.category, at: $0.at, count: $0.count)
        }
        lastLookupAt = entry.lastLookupAt
        refreshAt = entry.refreshAt
        isInProgress = entry.flight != nil
        isFailing = entry.isFailing(state)
        self.isInStoreOnly = isInStoreOnly
    }
}

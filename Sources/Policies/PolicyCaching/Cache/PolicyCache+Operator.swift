import MTASTS
import TextFormats

/// The operator's commands `cache refresh` and `cache forget`.
extension PolicyCache {
    /// Starts a flight that queries the TXT record and fetches the policy, whatever TTL, id and back-off are. Lookups are
    /// answered as during a refresh.
    ///
    /// - Returns: `nil` if a flight is in progress: call it again when that flight has ended.
    package mutating func forceRefresh(_ domain: PolicyDomain, at now: WallTime) -> CacheResult<FlightPlan?> {
        handle { $0.startForcedRefresh(domain, at: now) }
    }

    private mutating func startForcedRefresh(_ domain: PolicyDomain, at now: WallTime) -> FlightPlan? {
        let known = entries.peek(domain)
        guard known?.flight == nil else { return nil }
        var entry = known ?? CacheEntry(lastLookupAt: now)
        let hasNoAnswerYet = !Self.isAnswer(entry.status(at: now, pauses: settings.pauses))
        let id = begin(Flight(domain: domain, startedAt: now, hasNoAnswerYet: hasNoAnswerYet, origin: .admin))
        entry.activity = .refreshing(id)
        if known == nil {
            store(entry, for: domain, at: now)
        } else {
            // A refresh that no lookup waits for does not count as a use of the domain.
            entries.replace(entry, for: domain)
            entries.retain(domain)
        }
        let mayBeInStore = known.map(\.needsStoreRead) ?? !isComplete
        return FlightPlan(id: id, domain: domain, step: mayBeInStore ? .readStore : .queryRecord, delay: .zero)
    }

    /// Forgets a domain, in memory and in the store.
    ///
    /// A flight that a lookup waits for continues, and its policy is cached as a first one. The policy of a background refresh
    /// is dropped.
    ///
    /// - Returns: whether memory had anything.
    package mutating func forget(_ domain: PolicyDomain, at now: WallTime) -> CacheResult<Bool> {
        handle { $0.forget(domain) }
    }

    private mutating func forget(_ domain: PolicyDomain) -> Bool {
        guard let entry = entries.peek(domain) else {
            removeFromStore(domain)
            return false
        }
        let flight = clear(entry, of: domain)
        // A policy that was fetched just now is on its way into the store, where it replaces the forgotten one.
        if case .policy = flight?.outcome { return true }
        removeFromStore(domain)
        return flight == nil || entry.cached != nil || entry.record != nil
    }

    /// Forgets a policy that another process has removed from the store, unless it was fetched again since. The store stays
    /// as it is.
    package mutating func forget(_ removal: PolicyRemoval) {
        guard let entry = entries.peek(removal.domain), let policy = entry.cached, removal.applies(to: policy)
        else { return }
        _ = clear(entry, of: removal.domain)
    }

    /// - Returns: the flight that continues because lookups wait for it, with an empty entry; `nil`: the entry is removed.
    private mutating func clear(_ entry: CacheEntry, of domain: PolicyDomain) -> Flight? {
        if let slot = entries.slot(of: domain) { unschedule(entry, in: slot) }
        guard let id = entry.flight, let flight = flights[id], flight.mustFinish else {
            entries.remove(domain)
            return nil
        }
        var empty = CacheEntry(lastLookupAt: entry.lastLookupAt)
        empty.activity = entry.activity
        if flight.record != nil { empty.record = entry.record }
        flights[id]?.hasNoAnswerYet = true
        entries.replace(empty, for: domain)
        return flight
    }

    private mutating func removeFromStore(_ domain: PolicyDomain) {
        guard isPersistent else { return }
        // Only a store that fails for long still has domains that were forgotten long ago.
        if forgotten.count >= Self.maximumForgotten, let any = forgotten.first { forgotten.remove(any) }
        forgotten.insert(domain)
        storeChanges.append(.removePolicy(domain))
    }

    private static let maximumForgotten = 100_000
}

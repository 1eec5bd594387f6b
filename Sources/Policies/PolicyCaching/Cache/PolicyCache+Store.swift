import MTASTS
import TextFormats

/// A policy that was read from the store and parsed again.
package struct LoadedPolicy: Sendable {
    package let domain: PolicyDomain
    let entry: CacheEntry

    /// - Throws: `PolicyError` if the text is not a policy for this version.
    package init(_ stored: StoredPolicy) throws(PolicyError) {
        var shared = SharedPolicies()
        try self.init(stored, sharing: &shared)
    }

    /// - Parameter shared: has the policies of other domains.
    package init(_ stored: StoredPolicy, sharing shared: inout SharedPolicies) throws(PolicyError) {
        domain = stored.domain
        entry = CacheEntry(stored, policy: try shared.policy(stored.text))
    }

    /// Whether it replaces what is in memory: it is the first policy, or a later fetch by another process.
    ///
    /// A fetch time in the future counts as later only if it was noticed since: the policy in memory may have been fetched by a
    /// clock that is behind, too.
    func isNewer(than known: CacheEntry, at now: WallTime) -> Bool {
        guard let old = known.cached else { return true }
        guard known.flight == nil, let fetched = entry.cached?.latestPossibleFetch(asOf: now) else { return false }
        return fetched > old.lastFetch(asOf: now)
    }

    func entry(lastLookupAt: WallTime, flight: FlightID?) -> CacheEntry {
        var entry = entry
        entry.noteLookup(at: lastLookupAt)
        entry.activity = flight.map { .discovering($0) } ?? .idle
        return entry
    }
}

/// Loading from the store, and what memory has no space for.
extension PolicyCache {
    /// Adds policies from the store if there is space, or if they are newer than those in memory.
    ///
    /// Expired policies are added too: they do not apply, but a clock that was ahead may be set back.
    package mutating func restore(_ loaded: [LoadedPolicy], at now: WallTime) -> CacheResult<Void> {
        handle { cache in for policy in loaded { cache.restore(policy, at: now) } }
    }

    private mutating func restore(_ policy: LoadedPolicy, at now: WallTime) {
        let domain = policy.domain
        // The store may return a policy whose removal is pending.
        guard !forgotten.contains(domain) else { return }
        if let known = entries.peek(domain) {
            guard policy.isNewer(than: known, at: now) else { return }
            if let slot = entries.slot(of: domain) { unschedule(known, in: slot) }
            var entry = policy.entry(
                lastLookupAt: max(known.lastLookupAt, policy.entry.lastLookupAt), flight: known.flight)
            entry.record = known.record ?? entry.record
            entry.failedFetch = known.failedFetch ?? entry.failedFetch
            if known.flight == nil { start(&entry, of: domain, at: now) }
            store(entry, for: domain, at: now)
        } else {
            var entry = policy.entry(lastLookupAt: policy.entry.lastLookupAt, flight: nil)
            guard hasSpace(for: entry, at: now) else { return noteEviction() }
            // The queues need its slot.
            store(entry, for: domain, at: now)
            start(&entry, of: domain, at: now)
            entries.replace(entry, for: domain, priority: entry.priority(at: now))
        }
    }

    /// A loaded policy may have expired while no process ran.
    private mutating func start(_ entry: inout CacheEntry, of domain: PolicyDomain, at now: WallTime) {
        note(clock: now, in: &entry, of: domain)
        report(logExpiry(of: &entry, domain: domain, at: now), of: domain, origin: .start)
        plan(&entry, of: domain, afterFetch: true, at: now)
    }

    /// Reports the expiry of policies that are only in the store: enforced policies that were evicted from memory.
    ///
    /// While the store is being loaded this does nothing, because each loaded policy reports its own expiry.
    package mutating func noteExpired(_ expired: [LoadedPolicy], at now: WallTime) -> CacheResult<Void> {
        handle { cache in
            guard !cache.isLoading else { return }
            for policy in expired { cache.noteExpired(policy, at: now) }
        }
    }

    private mutating func noteExpired(_ policy: LoadedPolicy, at now: WallTime) {
        let domain = policy.domain
        // A clock that was ahead may have been set back since.
        guard entries.peek(domain) == nil, !forgotten.contains(domain), let cached = policy.entry.cached,
            !cached.applies(at: now)
        else { return }
        var entry = policy.entry
        report(entry.expiryEvents(at: now), of: domain, origin: .refresh)
        storeChanges.append(.noteExpiry(domain, fetchedAt: cached.fetchedAt))
    }

    /// Loading evicts only entries of a lower priority.
    private func hasSpace(for entry: CacheEntry, at now: WallTime) -> Bool {
        !entries.isFull || entries.canEvict(below: entry.priority(at: now))
    }

    /// Loading begins: until it ends, a lookup of a domain that is not in memory reads the store.
    package mutating func beginLoading() -> Int {
        hasLoadedAll = false
        isLoading = true
        loads += 1
        return loads
    }

    /// Loading has ended successfully.
    ///
    /// - Parameter load: the result of `beginLoading`. If several loads overlap, only the last one counts.
    package mutating func endLoading(_ load: Int) {
        hasLoadedAll = load == loads && !hasEvicted
        if load == loads { isLoading = false }
    }

    private mutating func noteEviction() {
        hasLoadedAll = false
        hasEvicted = true
    }

    /// All domains in memory, in no order.
    package var domains: [PolicyDomain] { Array(entries.keys) }

    /// Saves a domain's policy in a store that has lost it; `nil`: there is no policy.
    package func saveChange(of domain: PolicyDomain) -> StoreChange? {
        entries.peek(domain)?.stored(of: domain).map(StoreChange.savePolicy)
    }

    /// Saves the entry as it is now.
    mutating func save(_ entry: CacheEntry, of domain: PolicyDomain) {
        guard isPersistent, let stored = entry.stored(of: domain) else { return }
        storeChanges.append(.savePolicy(stored))
    }

    /// An entry was evicted from memory.
    ///
    /// An enforced policy stays in the store, and the next lookup reads it again. This holds for an expired one too, because a
    /// clock that was ahead may be set back.
    mutating func evicted(_ entry: CacheEntry, of domain: PolicyDomain, from slot: Int32) {
        unschedule(entry, in: slot)
        guard isPersistent, let cached = entry.cached else { return }
        switch cached.policy.mode {
        case .enforce: noteEviction()
        case .testing, .none:
            let fetchedAt = max(cached.fetchedAt, cached.previousFetchedAt ?? cached.fetchedAt)
            storeChanges.append(.evictPolicy(domain, fetchedAt: fetchedAt))
        }
    }
}

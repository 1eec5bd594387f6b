import MTASTS

/// A policy as it comes back from an archive, parsed again.
package struct KeptPolicy: Sendable {
    package let domain: PolicyDomain
    let entry: LedgerEntry

    /// Whether it tells more than what is known: a first policy, or, in an archive that somebody has put in the place of
    /// ours, a later fetch. One in the future is later only if it was noticed since: what this process knows may have been
    /// fetched by a clock that is behind, too.
    func isNewer(than known: LedgerEntry, at now: WallTime) -> Bool {
        guard let old = known.held else { return true }
        guard known.flight == nil, let fetched = entry.held?.latestPossibleFetch(asOf: now) else { return false }
        return fetched > old.lastFetch(asOf: now)
    }

    /// - Throws: `PolicyError` when the text is no policy to this version.
    package init(_ archived: ArchivedPolicy) throws(PolicyError) {
        domain = archived.domain
        entry = try LedgerEntry(archived)
    }
}

/// What outlives the process, and what memory cannot hold.
extension PolicyLedger {
    /// Takes in what an archive kept, as far as there is room, and where it is newer than what is known.
    ///
    /// A policy whose life is over is taken in too: it is not applied, but a clock that was ahead may come back.
    package mutating func restore(_ kept: [KeptPolicy], at now: WallTime) {
        for policy in kept {
            let domain = policy.domain
            // What the archive is about to remove, it may still hand over.
            guard !forgotten.contains(domain) else { continue }
            if let known = entries.peek(domain) {
                guard policy.isNewer(than: known, at: now) else { continue }
                let askedAt = max(known.askedAt, policy.entry.askedAt)
                removeAppointments(known, of: domain)
                var entry = restored(policy, askedAt: askedAt, flight: known.flight, at: now)
                entry.record = known.record ?? entry.record
                entry.failedFetch = known.failedFetch ?? entry.failedFetch
                if known.flight == nil { takeIn(&entry, of: domain, at: now) }
                store(entry, for: domain, at: now)
            } else {
                var entry = restored(policy, askedAt: policy.entry.askedAt, flight: nil, at: now)
                guard hasRoom(for: entry, at: now) else {
                    leaveOut()
                    continue
                }
                takeIn(&entry, of: domain, at: now)
                store(entry, for: domain, at: now)
            }
        }
    }

    /// What comes back from the archive may have ended while nobody looked.
    private mutating func takeIn(_ entry: inout LedgerEntry, of domain: PolicyDomain, at now: WallTime) {
        note(clock: now, in: &entry, of: domain)
        let changes = end(of: &entry, domain, at: now)
        if !changes.isEmpty { news.append(News(domain: domain, changes: changes, origin: .start)) }
        plan(&entry, of: domain, afterFetch: true, at: now)
    }

    /// Notes the ends of lives that memory does not have: an enforced policy that had to make room for others. For `due`.
    ///
    /// While the archive is loaded, what is loaded notes its own end.
    package mutating func noteEnds(_ expired: [KeptPolicy], at now: WallTime) {
        guard !isLoading else { return }
        for policy in expired where entries.peek(policy.domain) == nil && !forgotten.contains(policy.domain) {
            // A clock that was ahead may have come back since.
            guard let held = policy.entry.held, !held.applies(at: now) else { continue }
            var entry = policy.entry
            let changes = entry.endChange(at: now)
            if !changes.isEmpty { news.append(News(domain: policy.domain, changes: changes, origin: .refresh)) }
            self.changes.append(.noteEnd(policy.domain, fetchedAt: held.fetchedAt))
        }
    }

    /// Loading pushes out what is worth less, nothing else.
    private func hasRoom(for entry: LedgerEntry, at now: WallTime) -> Bool {
        !entries.isFull || entries.canSpare(below: entry.rank(at: now))
    }

    /// The archive is about to be loaded: until that is done, a domain that is not in memory is looked for in it.
    package mutating func restoring() -> Int {
        holdsAll = false
        isLoading = true
        loads += 1
        return loads
    }

    /// The archive was loaded to its end.
    ///
    /// - Parameter load: what `restoring` gave. Of several at once only the last one counts.
    package mutating func restored(_ load: Int) {
        holdsAll = load == loads && !leftOut
        if load == loads { isLoading = false }
    }

    private mutating func leaveOut() {
        holdsAll = false
        leftOut = true
    }

    func restored(_ kept: KeptPolicy, askedAt: WallTime, flight: FlightID?, at now: WallTime) -> LedgerEntry {
        var entry = kept.entry
        entry.noteLookup(at: askedAt)
        entry.flight = flight
        return entry
    }

    /// All that are in memory, in no order.
    package var domains: [PolicyDomain] { Array(entries.keys) }

    /// What an archive that has lost it is to keep of a domain; `nil` without a policy.
    package func kept(of domain: PolicyDomain) -> ArchiveChange? {
        entries.peek(domain)?.archived(of: domain).map(ArchiveChange.keep)
    }

    /// What the archive is to do, without anybody waiting for it. In order; to be taken after each call.
    package mutating func takeChanges() -> [ArchiveChange] {
        guard !changes.isEmpty else { return [] }
        defer { changes = [] }
        return changes
    }

    /// The archive is to keep the entry as it is now.
    mutating func keep(_ entry: LedgerEntry, of domain: PolicyDomain) {
        guard isArchived, let archived = entry.archived(of: domain) else { return }
        changes.append(.keep(archived))
    }

    /// Memory was short. An enforced policy is only forgotten here, and read again when it is asked for; even where its
    /// life is over it is left to the archive to delete, because a clock that was ahead may come back.
    mutating func evicted(_ domain: PolicyDomain, _ entry: LedgerEntry) {
        removeAppointments(entry, of: domain)
        guard isArchived, let held = entry.held else { return }
        switch held.policy.mode {
        case .enforce: leaveOut()
        case .testing, .none: changes.append(.remove(domain))
        }
    }
}

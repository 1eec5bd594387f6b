import MTASTS

/// What the operator asks of the ledger.
extension PolicyLedger {
    /// Starts a flight that asks for the TXT record and fetches the policy, whatever TTL, id and back-off say. Lookups are
    /// answered as during a refresh.
    ///
    /// - Returns: `nil` where a flight is under way: after its landing this is to be asked again.
    package mutating func demanded(_ domain: PolicyDomain, at now: WallTime) -> FlightPlan? {
        let known = entries.peek(domain)
        guard known?.flight == nil else { return nil }
        var entry = known ?? LedgerEntry(askedAt: now)
        let standing = entry.standing(at: now, settings.pauses)
        let id = begin(
            Flight(domain: domain, startedAt: now, nothingAtHand: Self.isNothing(standing), origin: .admin))
        entry.flight = id
        entry.isRefreshing = true
        if known == nil {
            store(entry, for: domain, at: now)
        } else {
            // A refresh that nobody waits for is no use of the domain.
            entries.replace(entry, for: domain)
            entries.hold(domain)
        }
        let isElsewhere = known.map(\.isUnread) ?? !holdsAll
        return FlightPlan(id: id, domain: domain, step: isElsewhere ? .recall : .record, delay: .zero)
    }

    /// Forgets a domain: here, and in the archive by the next `takeChanges`.
    ///
    /// A flight that somebody waits for goes on, and what it brings is kept as if the domain had never been known before;
    /// what a mere refresh brings is dropped.
    ///
    /// - Returns: whether anything was known here.
    package mutating func forget(_ domain: PolicyDomain, at now: WallTime) -> Bool {
        guard let entry = entries.peek(domain) else {
            forgetInArchive(domain)
            return false
        }
        removeAppointments(entry, of: domain)
        guard let id = entry.flight, let flight = flights[id], flight.mustLand else {
            entries.remove(domain)
            forgetInArchive(domain)
            return true
        }
        var blank = LedgerEntry(askedAt: entry.askedAt)
        blank.flight = id
        blank.isRefreshing = entry.isRefreshing
        if flight.record != nil { blank.record = entry.record }
        flights[id]?.nothingAtHand = true
        entries.replace(blank, for: domain)
        // A policy that was fetched just now is on its way into the archive, in place of the forgotten one.
        if case .policy = flight.landing { return true }
        forgetInArchive(domain)
        return entry.held != nil || entry.record != nil
    }

    private mutating func forgetInArchive(_ domain: PolicyDomain) {
        guard isArchived else { return }
        // Only an archive that fails for long still has what was forgotten long ago.
        if forgotten.count >= Self.maximumForgotten, let any = forgotten.first { forgotten.remove(any) }
        forgotten.insert(domain)
        changes.append(.remove(domain))
    }

    private static let maximumForgotten = 100_000
}

import Discovery
import MTASTS

/// What the operator sees. Nothing here finds anything out, or counts as a use of a domain.
extension PolicyService {
    /// A page of the domains in memory. Looks at all of them, some at a time; what it holds is the page.
    package func entries(_ query: EntryQuery) async -> EntryPage {
        let limit = max(1, min(query.limit, EntryQuery.maximumLimit))
        let (domains, next) = await domains(query, limit: limit)
        return EntryPage(entries: reports(of: domains), next: next)
    }

    /// All of the domains in memory that a query wants, whatever its limit.
    package func list(_ query: EntryQuery) -> EntryListing { EntryListing(policies: self, query: query) }

    func domains(_ query: EntryQuery, limit: Int) async -> (domains: [PolicyDomain], next: EntryCursor?) {
        var selection = EntrySelection(query, limit: limit, at: now())
        await inSlices(of: { $0.ledger.places }, from: selection.first) { state, slice in
            state.ledger.show(slice, to: &selection)
            return !selection.isComplete
        } between: {
            selection.cut()
        }
        return selection.chosen()
    }

    /// What is remembered of some domains; nothing of one that was forgotten meanwhile.
    func reports(of domains: some Sequence<PolicyDomain>) -> [EntryReport] {
        let now = now()
        return state.withLock { state in domains.compactMap { state.ledger.report(of: $0, at: now) } }
    }

    /// What is remembered of a domain, or else kept in the archive; `nil`: nothing.
    ///
    /// - Throws: `ArchiveFailure` when it is not in memory and the archive cannot be looked into.
    package func entry(of domain: PolicyDomain) async throws(ArchiveFailure) -> EntryReport? {
        let kept = try await keptElsewhere(domain)
        let now = now()
        // Looked for again: it may have come into memory meanwhile.
        return state.withLock { state in
            state.ledger.report(of: domain, at: now) ?? kept.map { state.ledger.report(of: $0, at: now) }
        }
    }

    /// What only the archive has of a domain.
    private func keptElsewhere(_ domain: PolicyDomain) async throws(ArchiveFailure) -> KeptPolicy? {
        guard state.withLock({ $0.ledger.mayBeArchived(domain) }) else { return nil }
        return try await reader.policy(of: domain)
    }

    // MARK: One destination

    /// Why a destination is answered as it is. Finds nothing out and changes nothing.
    package func explain(_ destination: DANEDestination) async -> Explanation {
        let domain = destination.domain
        let kept: Result<KeptPolicy?, ArchiveFailure>
        do throws(ArchiveFailure) {
            kept = .success(try await keptElsewhere(domain))
        } catch {
            kept = .failure(error)
        }
        let now = now()
        let failures = recentFailures.withLock { $0.last(of: domain) }
        let lookups = recentLookups.withLock { $0.last(of: domain) }
        let report = recentReports.withLock { $0.peek(destination) }
        return state.withLock { state in
            let elsewhere = state.ledger.report(of: domain, at: now) == nil ? (try? kept.get()) ?? nil : nil
            let grounds = state.grounds(of: destination, kept: elsewhere, at: now)
            return Explanation(
                destination: destination, at: now, decision: grounds.said,
                withheld: grounds.isObserving ? grounds.decided : nil,
                override: state.orders.override(of: domain, at: now), observing: state.observing,
                standing: grounds.standing,
                entry: state.ledger.report(of: domain, at: now)
                    ?? elsewhere.map { state.ledger.report(of: $0, at: now) },
                next: state.ledger.nextLookup(of: domain, at: now), archiveFailure: kept.failure,
                dane: state.usesDANE ? state.findings.report(on: destination, report, at: now) : nil,
                failures: failures, lookups: lookups)
        }
    }

    /// Postfix was answered. Cheap: it is called for each lookup.
    package func noteLookup(_ lookup: RecentLookup) {
        recentLookups.withLock { $0.add(lookup, of: lookup.destination.domain) }
    }

    func note(_ kind: RecentFailure.Kind, of domain: PolicyDomain, at now: WallTime) {
        recentFailures.withLock { $0.add(RecentFailure(domain: domain, at: now, kind: kind), of: domain) }
    }

    func note(_ report: DANEReport, at now: WallTime) {
        let destination = report.finding.destination
        recentReports.withLock { _ = $0.store(report, for: destination, rank: 0) }
        guard let failure = report.finding.failure else { return }
        note(.dane(failure, port: destination.port), of: destination.domain, at: now)
    }

    // MARK: All

    /// Counts. However many ask, they are counted once at a time.
    ///
    /// - Parameter age: how old they may be; not counting them anew is good enough for a while.
    package func census(atMost age: Duration = Census.lifetime) async -> Census {
        let now = now()
        let counting = state.withLock { state in
            if let last = state.counting, last.isUnderWay || now.isWithin(age, of: last.begunAt) { return last.task }
            let task = Task { await self.count(at: now) }
            state.counting = Counting(begunAt: now, task: task)
            return task
        }
        return await counting.value
    }

    private func count(at now: WallTime) async -> Census {
        var count = EntryCount(at: now)
        await inSlices(of: { $0.ledger.places }) { state, slice in
            state.ledger.count(slice, in: &count)
            return true
        }
        let backlog = writer.backlog
        return state.withLock { state in
            state.counting?.isUnderWay = false
            return Census(count, state, backlog, at: now)
        }
    }
}

extension ServiceState {
    /// What can be said of a destination now.
    ///
    /// - Parameter kept: where only the archive has a policy.
    fileprivate func grounds(of destination: DANEDestination, kept: KeptPolicy?, at now: WallTime) -> Grounds {
        let standing = kept.map { ledger.standing(of: $0, at: now) } ?? ledger.standing(of: destination.domain, at: now)
        let dane = usesDANE ? findings.standing(of: destination, at: now) : .off
        return grounds(standing, dane, on: destination, at: now)
    }
}

extension Result where Success == KeptPolicy?, Failure == ArchiveFailure {
    fileprivate var failure: ArchiveFailure? {
        guard case .failure(let failure) = self else { return nil }
        return failure
    }
}

import Discovery
import MTASTS
import PolicyCaching
import TextFormats

/// Views of the cache for the operator. They start no discovery and do not count as a use of a domain.
extension PolicyService {
    /// A page of the domains in memory. Visits all domains in parts and keeps only the page.
    package func entries(_ query: EntryQuery) async -> EntryPage {
        let limit = max(1, min(query.limit, EntryQuery.maximumLimit))
        let (domains, next) = await domains(query, limit: limit)
        return EntryPage(entries: reports(of: domains), next: next)
    }

    /// All domains in memory that match a query, whatever its limit.
    package func list(_ query: EntryQuery) -> EntryListing { EntryListing(policies: self, query: query) }

    func domains(_ query: EntryQuery, limit: Int) async -> (domains: [PolicyDomain], next: EntryCursor?) {
        var selection = EntrySelection(query, limit: limit, at: now())
        await inSlices(of: { $0.cache.slots }, from: selection.first) { state, slice in
            state.cache.show(slice, to: &selection)
            return !selection.isComplete
        } between: {
            selection.trim()
        }
        return selection.chosen()
    }

    /// The entries of some domains. Omits a domain that was forgotten meanwhile.
    func reports(of domains: some Sequence<PolicyDomain>) -> [EntryReport] {
        let now = now()
        return state.withLock { state in domains.compactMap { state.cache.report(of: $0, at: now) } }
    }

    /// The entry of a domain in memory, or else in the store.
    ///
    /// - Throws: `StoreError` if it is not in memory and the store cannot be read.
    package func entry(of domain: PolicyDomain) async throws(StoreError) -> EntryReport? {
        let stored = try await policyInStoreOnly(domain)
        let now = now()
        // A lookup may have loaded it meanwhile.
        return state.withLock { state in
            state.cache.report(of: domain, at: now) ?? stored.map { state.cache.report(of: $0, at: now) }
        }
    }

    /// The policy of a domain that is in the store and not in memory.
    private func policyInStoreOnly(_ domain: PolicyDomain) async throws(StoreError) -> LoadedPolicy? {
        guard state.withLock({ $0.cache.mayBeInStore(domain) }) else { return nil }
        return try await reader.policy(of: domain)
    }

    // MARK: One destination

    /// Explains the answer for a destination. Starts no discovery and changes nothing.
    package func explain(_ destination: Destination) async -> Explanation {
        let domain = destination.domain
        let stored: Result<LoadedPolicy?, StoreError>
        do throws(StoreError) {
            stored = .success(try await policyInStoreOnly(domain))
        } catch {
            stored = .failure(error)
        }
        let now = now()
        let failures = recentFailures.withLock { $0.last(of: domain) }
        let lookups = recentLookups.withLock { $0.last(of: domain) }
        let report = recentReports.withLock { $0.peek(destination) }
        return state.withLock { state in
            let storedOnly = state.cache.report(of: domain, at: now) == nil ? (try? stored.get()) ?? nil : nil
            let input = state.input(for: destination, stored: storedOnly, at: now)
            return Explanation(
                destination: destination, at: now, decision: input.effective,
                suppressed: input.isObserving ? input.underlying : nil,
                override: state.overrides.override(of: domain, at: now), observing: state.observeMode,
                status: input.status,
                entry: state.cache.report(of: domain, at: now)
                    ?? storedOnly.map { state.cache.report(of: $0, at: now) },
                next: state.cache.nextLookup(of: domain, at: now), storeError: stored.failure,
                dane: state.usesDANE ? state.daneCache.report(on: destination, report: report, at: now) : nil,
                failures: failures, lookups: lookups)
        }
    }

    func note(_ kind: RecentFailure.Kind, of domain: PolicyDomain, at now: WallTime) {
        recentFailures.withLock { $0.add(RecentFailure(domain: domain, at: now, kind: kind), of: domain) }
    }

    func note(_ report: DANEReport, at now: WallTime) {
        let destination = report.result.destination
        recentReports.withLock { _ = $0.store(report, for: destination, priority: 0) }
        guard let failure = report.result.failure else { return }
        note(.dane(failure, port: destination.port), of: destination.domain, at: now)
    }

    // MARK: Statistics

    /// Counts the entries. Concurrent callers share one count.
    ///
    /// - Parameter age: the maximum age of an earlier count.
    package func statistics(atMost age: Duration = CacheStatistics.lifetime) async -> CacheStatistics {
        let now = now()
        let counting = state.withLock { state in
            if let last = state.counting, last.isInProgress || now.isWithin(age, of: last.begunAt) { return last.task }
            let task = Task { await self.count(at: now) }
            state.counting = Counting(begunAt: now, task: task)
            return task
        }
        return await counting.value
    }

    private func count(at now: WallTime) async -> CacheStatistics {
        var count = EntryCount(at: now)
        await inSlices(of: { $0.cache.slots }) { state, slice in
            state.cache.count(slice, in: &count)
            return true
        }
        let backlog = writer.backlog
        return state.withLock { state in
            state.counting?.isInProgress = false
            return CacheStatistics(count, state: state, unwritten: backlog.count, failure: backlog.failure, at: now)
        }
    }
}

extension ServiceState {
    /// The input of the decision with what is known now.
    ///
    /// - Parameter stored: the policy if only the store has it.
    fileprivate func input(for destination: Destination, stored: LoadedPolicy?, at now: WallTime) -> DecisionInput {
        let policy = stored.map { cache.status(of: $0, at: now) } ?? cache.status(of: destination.domain, at: now)
        let dane = usesDANE ? daneCache.status(of: destination, at: now) : .off
        return input(policy: policy, dane: dane, for: destination, at: now)
    }
}

extension Result where Success == LoadedPolicy?, Failure == StoreError {
    fileprivate var failure: StoreError? {
        guard case .failure(let failure) = self else { return nil }
        return failure
    }
}

import Discovery
import MTASTS
import PolicyCaching

/// The commands `cache refresh` and `cache forget`.
extension PolicyService {
    /// Queries the TXT record and fetches the policy now, whatever TTL, id and pauses after failures. Joins a refresh in
    /// progress; another discovery of the domain has to end first. Lookups are answered as usual meanwhile.
    package func refresh(_ domain: PolicyDomain) async -> RefreshResult {
        await withCheckedContinuation { continuation in
            let now = now()
            let (plan, status) = withState { state -> (FlightPlan?, PolicyStatus?) in
                guard !state.hasEnded else { return (nil, state.cache.status(of: domain, at: now)) }
                state.refreshWaiters[domain, default: []].append(continuation)
                return (state.handle { $0.forceRefresh(domain, at: now) }, nil)
            }
            if let plan { start.yield(.discover(plan)) }
            if let status {
                continuation.resume(returning: RefreshResult(outcome: .unfinished, record: nil, status: status))
            }
        }
    }

    /// Answers the commands that wait for a refresh. No discovery ends after this.
    func endRefreshWaits() {
        let now = now()
        let waiting = state.withLock { state in
            state.hasEnded = true
            defer { state.refreshWaiters = [:] }
            return state.refreshWaiters.flatMap { domain, waiters in
                waiters.map { ($0, state.cache.status(of: domain, at: now)) }
            }
        }
        for (waiter, status) in waiting {
            waiter.resume(returning: RefreshResult(outcome: .unfinished, record: nil, status: status))
        }
    }

    /// Removes the policy of a domain from memory and store, and its DANE results. The next lookup starts a discovery. The
    /// result of a discovery in progress is cached. Overrides stay.
    ///
    /// - Returns: whether there was anything to remove. With `.inMemoryOnly` a restart may bring it back.
    package func forget(_ domain: PolicyDomain) async -> (wasKnown: Bool, outcome: OverrideChange) {
        // A policy in a store that cannot be read now is removed too.
        let stored = (try? await reader.policy(of: domain)) ?? nil
        let now = now()
        let wasCached = withCache { $0.forget(domain, at: now) }
        let hadDANE = await forgetDANE(of: domain)
        let outcome = await writer.flush(.policy(domain)).map { OverrideChange.inMemoryOnly("\($0)") } ?? .saved
        let wasKnown = wasCached || hadDANE || stored != nil
        if wasKnown { log.domainForgotten(domain) }
        return (wasKnown, outcome)
    }

    private func forgetDANE(of domain: PolicyDomain) async -> Bool {
        var wasKnown = false
        await inSlices(of: { $0.daneCache.slots }) { state, slice in
            if state.daneCache.forget(domain, in: slice) { wasKnown = true }
            return true
        }
        return wasKnown
    }

    /// Visits all slots in parts, so that neither lookups nor other tasks wait for it.
    ///
    /// - Parameters:
    ///   - visit: called under the mutex; returns `false` to stop.
    ///   - between: called after each visit, without the mutex.
    func inSlices(
        of slots: (ServiceState) -> Range<Int>, from first: Int = 0,
        visit: (inout ServiceState, Range<Int>) -> Bool, between: () -> Void = {}
    ) async {
        var next = first
        while true {
            let isMore = state.withLock { state in
                let slice = next..<max(next, min(next + Self.sliceSize, slots(state).upperBound))
                return !slice.isEmpty && visit(&state, slice)
            }
            guard isMore else { return }
            between()
            next += Self.sliceSize
            await Task.yield()
        }
    }

    /// The number of entries in one visit, which takes about 100 microseconds.
    private static let sliceSize = 1_000
}

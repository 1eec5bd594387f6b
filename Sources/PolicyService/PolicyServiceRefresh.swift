import Discovery
import MTASTS

/// What the operator asks to be found out again, or to be forgotten.
extension PolicyService {
    /// Asks for the TXT record and fetches the policy now, whatever TTL, id and back-off say. Joins such a refresh that is
    /// under way, and waits for another discovery of the domain first. Lookups meanwhile are answered as ever.
    package func refresh(_ domain: PolicyDomain) async -> RefreshResult {
        await withCheckedContinuation { continuation in
            let now = now()
            let (plan, standing) = withState { state -> (FlightPlan?, Standing?) in
                guard !state.hasEnded else { return (nil, state.ledger.standing(of: domain, at: now)) }
                state.demands[domain, default: []].append(continuation)
                return (state.ledger.demanded(domain, at: now), nil)
            }
            if let plan { start.yield(.fly(plan)) }
            if let standing {
                continuation.resume(returning: RefreshResult(outcome: .unfinished, record: nil, standing: standing))
            }
        }
    }

    /// No flight will ever land again.
    func endDemands() {
        let now = now()
        let waiting = state.withLock { state in
            state.hasEnded = true
            defer { state.demands = [:] }
            return state.demands.flatMap { domain, all in
                all.map { ($0, state.ledger.standing(of: domain, at: now)) }
            }
        }
        for (one, standing) in waiting {
            one.resume(returning: RefreshResult(outcome: .unfinished, record: nil, standing: standing))
        }
    }

    /// Forgets the domain's policy, here and in the archive, and its DANE findings. The next lookup begins anew; what a
    /// discovery that is under way brings is news and is kept. Orders stay.
    ///
    /// - Returns: whether there was anything to forget; `.inMemoryOnly`: after a restart it may be back.
    package func forget(_ domain: PolicyDomain) async -> (wasKnown: Bool, outcome: OrderOutcome) {
        // Where it cannot be read, what is in it is to be forgotten all the same.
        let kept = (try? await reader.policy(of: domain)) ?? nil
        let now = now()
        let wasHere = withLedger { $0.forget(domain, at: now) }
        let hadFinding = await forgetFindings(of: domain)
        let outcome = await writer.kept(.policy(domain)).map { OrderOutcome.inMemoryOnly("\($0)") } ?? .kept
        let wasKnown = wasHere || hadFinding || kept != nil
        if wasKnown { log.forgotten(domain) }
        return (wasKnown, outcome)
    }

    private func forgetFindings(of domain: PolicyDomain) async -> Bool {
        var wasKnown = false
        await inSlices(of: { $0.findings.places }) { state, slice in
            if state.findings.forget(domain, in: slice) { wasKnown = true }
            return true
        }
        return wasKnown
    }

    /// Looks at everything, some at a time: neither lookups nor other tasks are to wait for it.
    ///
    /// - Parameter visit: under the mutex; `false`: that was enough.
    /// - Parameter between: after each visit, outside of it.
    func inSlices(
        of places: (ServiceState) -> Range<Int>, from first: Int = 0,
        _ visit: (inout ServiceState, Range<Int>) -> Bool, between: () -> Void = {}
    ) async {
        var next = first
        while true {
            let isMore = state.withLock { state in
                let slice = next..<max(next, min(next + Self.sliceSize, places(state).upperBound))
                return !slice.isEmpty && visit(&state, slice)
            }
            guard isMore else { return }
            between()
            next += Self.sliceSize
            await Task.yield()
        }
    }

    /// Entries looked at while the mutex is held: some 100 microseconds.
    private static let sliceSize = 1_000
}

import DANE
import Discovery
import MTASTS
import PolicyCaching
import TextFormats

/// The steps of a discovery.
extension PolicyService {
    func discover(_ plan: FlightPlan) async {
        switch plan.step {
        case .readStore: await readStore(plan)
        case .queryRecord: await queryRecord(of: plan.domain, in: plan.id)
        case .fetch(let id): await fetch(id, of: plan.domain, delay: plan.delay, in: plan.id)
        case .refresh(let id): await refresh(id, of: plan.domain, in: plan.id)
        }
        finish(plan)
    }

    private func readStore(_ plan: FlightPlan) async {
        let stored = await reader.lookup(plan.domain)
        let now = now()
        let step = withCache { $0.storeRead(stored, in: plan.id, at: now) }
        if step.next != .finish, let timeout = step.timeout {
            start.yield(.limitWait(plan.id, plan.domain, after: timeout))
        }
        await run(step.next, of: plan.domain, in: plan.id)
    }

    private func run(_ next: NextStep, of domain: PolicyDomain, in flight: FlightID) async {
        switch next {
        case .finish: break
        case .queryRecord: await queryRecord(of: domain, in: flight)
        case .fetch(let id, let delay): await fetch(id, of: domain, delay: delay, in: flight)
        }
    }

    private func queryRecord(of domain: PolicyDomain, in flight: FlightID) async {
        let report = await currentSettings.discovery.record(of: domain)
        // A cancelled query means that the daemon stops. It says nothing about the domain.
        guard !Task.isCancelled else { return }
        let now = now()
        if case .failed(let error) = report.result { note(.record(error), of: domain, at: now) }
        await run(withCache { $0.recordReceived(report, in: flight, at: now) }, of: domain, in: flight)
    }

    private func fetch(_ id: RecordID, of domain: PolicyDomain, delay: Duration, in flight: FlightID) async {
        // A cancelled sleep means that the daemon stops. The fetch is then cancelled too.
        if delay > .zero { try? await sleep(delay) }
        let purpose = purpose(of: flight)
        let report = await currentSettings.discovery.policy(of: domain, purpose: purpose)
        await finishFetch(report, of: domain, id: id, in: flight)
    }

    private func refresh(_ id: RecordID, of domain: PolicyDomain, in flight: FlightID) async {
        let discovery = currentSettings.discovery
        let host = await discovery.policyHost(of: domain)
        guard !Task.isCancelled, state.withLock({ $0.cache.mayConnect(to: host.addresses, in: flight) }) else { return }
        let purpose = purpose(of: flight)
        let report = await discovery.policy(of: domain, at: host, purpose: purpose)
        await finishFetch(report, of: domain, id: id, in: flight)
    }

    private func purpose(of flight: FlightID) -> FetchPurpose {
        let now = now()
        return state.withLock { $0.cache.purpose(of: flight, at: now) }
    }

    private func finishFetch(
        _ report: PolicyReport, of domain: PolicyDomain, id: RecordID, in flight: FlightID
    ) async {
        guard !Task.isCancelled else { return }
        let now = now()
        if case .failed(let error) = report.result { note(.policy(error), of: domain, at: now) }
        guard let change = withCache({ $0.policyReceived(report.result, id: id, in: flight, at: now) }) else { return }
        // A policy is durable before Postfix gets it for the first time.
        await writer.commit(change)
    }

    private func finish(_ plan: FlightPlan) {
        let now = now()
        let (answers, refresh) = withState { state in
            let result = state.handle { $0.finish(plan.id, at: now) }
            let complete = state.waiters.policyFinished(plan.id, status: result?.status ?? .unknown(.unfinished))
            let refresh = state.afterFlight(of: plan.domain, result: result?.refresh, at: now)
            return (state.answers(complete, at: now), refresh)
        }
        answer(answers)
        switch refresh {
        case .none: break
        case .finished(let waiters, let result): for waiter in waiters { waiter.resume(returning: result) }
        case .started(let next): start.yield(.discover(next))
        }
    }

    /// The store had a policy, so lookups wait only this long for a newer one.
    func limitWait(for flight: FlightID, of domain: PolicyDomain, after timeout: Duration) async {
        guard (try? await sleep(timeout)) != nil else { return }
        let now = now()
        answer(
            state.withLock { state in
                let complete = state.waiters.policyFinished(flight, status: state.cache.status(of: domain, at: now))
                return state.answers(complete, at: now)
            })
    }

    func discoverDANE(_ destination: Destination, in flight: FlightID) async {
        let report = await currentSettings.dane?.report(on: destination) { progress in
            self.state.withLock { $0.daneCache.progressReceived(progress, in: flight) }
        }
        let now = now()
        // A cancelled discovery means that the daemon stops. It says nothing about the destination.
        let result = Task.isCancelled ? nil : report
        if let result { note(result, at: now) }
        answer(
            state.withLock { state in
                let status = state.daneCache.finish(flight, result: result?.result, at: now)
                return state.answers(state.waiters.daneFinished(flight, status: status), at: now)
            })
    }
}

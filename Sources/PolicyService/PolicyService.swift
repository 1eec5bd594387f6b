import Discovery
import Logging
import MTASTS
import ServiceLifecycle
import Synchronization

/// Answers what is known of a domain, and finds out what is not.
///
/// The driver of `PolicyLedger`: decides under one mutex, acts outside it. A hit is answered on the caller's thread with
/// no hop to another; only a miss starts a task.
/// Concurrency: `decision(for:)`, `lookup(_:whenLanded:)` and `giveUp(_:for:)` from any thread or event loop, at once; discoveries run
/// in `run()`'s task group.
/// Fails by: answering "unknown"; a failing archive is logged and mail goes on from memory.
/// Not here: who waits for how long (LookupServer), how an answer is written (PostfixTable).
package final class PolicyService: Service {
    private struct State {
        var ledger: PolicyLedger
        /// Those who wait for a flight's landing, by flight and by number.
        var waiters: [FlightID: [UInt64: @Sendable (Decision) -> Void]] = [:]
        var lastWaiter: UInt64 = 0

        mutating func addWaiter(_ whenLanded: @escaping @Sendable (Decision) -> Void, to flight: FlightID) -> Waiter {
            lastWaiter += 1
            waiters[flight, default: [:]][lastWaiter] = whenLanded
            return Waiter(flight: flight, number: lastWaiter)
        }
    }

    private let state: Mutex<State>
    private let discovery: PolicyDiscovery
    private let archive: any PolicyArchive
    private let decisions: DecisionSettings
    private let now: @Sendable () -> WallTime
    private let sleep: @Sendable (Duration) async throws -> Void
    private let log: ChangeLog
    private let plans: AsyncStream<FlightPlan>
    private let start: AsyncStream<FlightPlan>.Continuation

    /// - Parameter now: wall time.
    /// - Parameter sleep: lets a span pass; throws when its task is cancelled.
    package init(
        discovery: PolicyDiscovery, archive: any PolicyArchive = NoArchive(),
        ledger: LedgerSettings = LedgerSettings(), decisions: DecisionSettings = DecisionSettings(), logger: Logger,
        now: @escaping @Sendable () -> WallTime,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        state = Mutex(State(ledger: PolicyLedger(settings: ledger)))
        self.discovery = discovery
        self.archive = archive
        self.decisions = decisions
        self.now = now
        self.sleep = sleep
        log = ChangeLog(logger: logger, decisions: decisions)
        (plans, start) = AsyncStream.makeStream()
    }

    // MARK: Lookups

    /// One who waits for a landing.
    package struct Waiter: Hashable, Sendable {
        let flight: FlightID
        let number: UInt64
    }

    package enum Lookup: Sendable {
        case decided(Decision)
        /// The landing calls back, unless the waiter gives up before. `nil`: wait as long as the lookup may take.
        case waiting(Waiter, atMost: Duration?)
    }

    /// A hit: the answer where nothing has to be found out. `nil`: it takes a `lookup`.
    package func decision(for domain: PolicyDomain) -> Decision? {
        let now = now()
        let standing = state.withLock { $0.ledger.answer(to: domain, at: now) }
        return standing.map { Decision($0, settings: decisions) }
    }

    /// Answers what is known, or lets `whenLanded` wait for it. Starts a discovery where none is under way.
    ///
    /// - Parameter whenLanded: called at most once, from any thread, and not before this function has returned
    ///   `waiting`… or never, when the waiter has given up.
    package func lookup(_ domain: PolicyDomain, whenLanded: @escaping @Sendable (Decision) -> Void) -> Lookup {
        let now = now()
        let (lookup, plan) = state.withLock { state -> (Lookup, FlightPlan?) in
            switch state.ledger.asked(domain, at: now) {
            case .answer(let standing):
                return (.decided(Decision(standing, settings: decisions)), nil)
            case .join(let flight, let atMost):
                return (.waiting(state.addWaiter(whenLanded, to: flight), atMost: atMost), nil)
            case .start(let plan, let atMost):
                return (.waiting(state.addWaiter(whenLanded, to: plan.id), atMost: atMost), plan)
            }
        }
        if let plan { start.yield(plan) }
        return lookup
    }

    /// Waits no longer: what can be said now. The discovery goes on, and its landing is stored as usual.
    ///
    /// - Returns: `nil` when the landing was quicker and has called back, or is about to.
    package func giveUp(_ waiter: Waiter, for domain: PolicyDomain) -> Decision? {
        let now = now()
        return state.withLock { state in
            guard state.waiters[waiter.flight]?.removeValue(forKey: waiter.number) != nil else { return nil }
            return Decision(state.ledger.standing(of: domain, at: now), settings: decisions)
        }
    }

    // MARK: Discoveries

    /// Loads what the archive kept, then runs discoveries until the task group it belongs to shuts down.
    package func run() async {
        await restore()
        await withDiscardingTaskGroup { group in
            for await plan in plans.cancelOnGracefulShutdown() {
                group.addTask { await self.fly(plan) }
            }
            // Whoever still waits is answered by its landing: a cancelled query is a failed one.
            group.cancelAll()
        }
    }

    private func restore() async {
        do throws(ArchiveFailure) {
            let kept = try await archive.load()
            let now = now()
            for archived in kept {
                guard let policy = try? STSPolicy(archived.text) else {
                    log.unreadable(archived)
                    continue
                }
                let fetched = FetchedPolicy(policy: policy, text: archived.text)
                let held = HeldPolicy(fetched, id: archived.id, fetchedAt: archived.fetchedAt)
                state.withLock { $0.ledger.restore(held, of: archived.domain, at: now) }
            }
        } catch {
            log.archiveFailed(error)
        }
    }

    private func fly(_ plan: FlightPlan) async {
        switch plan.step {
        case .policy(let id):
            await fetch(id, of: plan.domain, delay: plan.delay, in: plan.id)
        case .record:
            let report = await discovery.record(of: plan.domain)
            // The daemon stops: that says nothing about the domain. Whoever waits is answered by what is known.
            guard !Task.isCancelled else { break }
            let landedAt = now()
            switch state.withLock({ $0.ledger.recordLanded(plan.id, report, at: landedAt) }) {
            case .settle: break
            case .fetch(let id, let delay): await fetch(id, of: plan.domain, delay: delay, in: plan.id)
            }
        }
        settle(plan.id)
    }

    private func fetch(_ id: RecordID, of domain: PolicyDomain, delay: Duration, in flight: FlightID) async {
        // A cancelled sleep means that the daemon stops; the fetch then ends at once by the same cancellation.
        if delay > .zero { try? await sleep(delay) }
        let report = await discovery.policy(of: domain)
        guard !Task.isCancelled else { return }
        let landedAt = now()
        let change = state.withLock { $0.ledger.policyLanded(flight, id, report.finding, at: landedAt) }
        guard let change else { return }
        do throws(ArchiveFailure) {
            try await archive.commit(change)
        } catch {
            log.archiveFailed(error)
        }
    }

    private func settle(_ flight: FlightID) {
        let now = now()
        let (landing, waiters) = state.withLock {
            ($0.ledger.settle(flight, at: now), $0.waiters.removeValue(forKey: flight) ?? [:])
        }
        if let landing { log.record(landing) }
        let decision = Decision(landing?.standing ?? .unknown(.unfinished), settings: decisions)
        for waiter in waiters.values { waiter(decision) }
    }
}

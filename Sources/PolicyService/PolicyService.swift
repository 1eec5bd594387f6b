import DANE
import Discovery
import Logging
import MTASTS
import Metrics
import ServiceLifecycle
import Synchronization

/// Answers what is known of a domain, and finds out what is not.
///
/// The driver of `PolicyLedger`: decides under one mutex, acts outside it. A hit is answered on the caller's thread with
/// no hop to another; only a miss starts a task.
/// Concurrency: `decision(for:)`, `lookup(_:whenLanded:)` and `giveUp(_:)` from any thread or event loop, at once; discoveries run
/// in `run()`'s task group.
/// Fails by: answering "unknown"; a failing archive is logged and mail goes on from memory.
/// Not here: who waits for how long (LookupServer), how an answer is written (PostfixTable).
package final class PolicyService: Service {
    private struct State {
        var ledger: PolicyLedger
        var findings: FindingLedger
        /// Whether we look for DANE. It can be switched while we run: DNSSEC comes and goes.
        var usesDANE = false
        var waitingList = WaitingList()
        /// The archive is another one, and has not got what memory has yet.
        var owesEverything = false
    }

    private let state: Mutex<State>
    /// What `run` is to do.
    private enum Work: Sendable {
        case fly(FlightPlan)
        case find(FlightID, DANEDestination)
        /// Those who wait for a flight hear what there is, after this time.
        case hurry(FlightID, PolicyDomain, after: Duration)
        case load
        /// The archive is another one: memory gets what is newer in it, and it gets the rest.
        case exchange
    }

    private let discovery: PolicyDiscovery
    private let dane: DANEDiscovery?
    private let writer: ArchiveWriter
    private let reader: ArchiveReader
    private let decisions: DecisionSettings
    let now: @Sendable () -> WallTime
    private let sleep: @Sendable (Duration) async throws -> Void
    private let log: ChangeLog
    private let work: AsyncStream<Work>
    private let start: AsyncStream<Work>.Continuation

    /// How often it is looked whether something is due in the background, and whether the archive is still there. Short,
    /// so that a minute's work is spread over it.
    private static let pulse = Duration.seconds(5)
    /// How often the archive is told to delete what has long been over.
    private static let purgeInterval = Duration.seconds(3_600)

    /// - Parameter dane: `nil`: DANE is never looked for. Else it is from `useDANE` on.
    /// - Parameter now: wall time.
    /// - Parameter sleep: lets a span pass; throws when its task is cancelled.
    /// - Parameter seed: of the numbers that spread refreshes over the day.
    package init(
        discovery: PolicyDiscovery, dane: DANEDiscovery? = nil, archive: any PolicyArchive = NoArchive(),
        ledger: LedgerSettings = LedgerSettings(), decisions: DecisionSettings = DecisionSettings(), logger: Logger,
        now: @escaping @Sendable () -> WallTime,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        seed: UInt64 = .random(in: 0 ... .max), metrics: any MetricsFactory = MetricsSystem.factory
    ) {
        state = Mutex(
            State(
                ledger: PolicyLedger(settings: ledger, isArchived: !archive.keepsNothing, seed: seed),
                findings: FindingLedger(settings: ledger)))
        self.discovery = discovery
        self.dane = dane
        self.decisions = decisions
        self.now = now
        self.sleep = sleep
        log = ChangeLog(logger: logger, decisions: decisions)
        let alarm = ArchiveAlarm(log: log, metrics: metrics)
        writer = ArchiveWriter(archive, limit: ledger.maximumDomains, alarm: alarm, sleep: sleep)
        reader = ArchiveReader(archive, beside: writer, log: log, alarm: alarm, sleep: sleep)
        (work, start) = AsyncStream.makeStream()
    }

    /// From now on DANE is looked for, or not.
    package func useDANE(_ isUsed: Bool) {
        guard dane != nil else { return }
        state.withLock { $0.usesDANE = isUsed }
    }

    // MARK: Lookups

    package enum Lookup: Sendable {
        case decided(Decision)
        /// The landing calls back, unless the waiter gives up before. `nil`: wait as long as the lookup may take.
        case waiting(Waiter, atMost: Duration?)
    }

    /// A hit: the answer where nothing has to be found out. `nil`: it takes a `lookup`.
    package func decision(for destination: DANEDestination) -> Decision? {
        let now = now()
        let known = state.withLock { state -> (Standing, DANEStanding)? in
            guard let standing = state.ledger.answer(to: destination.domain, at: now) else { return nil }
            guard state.usesDANE else { return (standing, .off) }
            return state.findings.answer(to: destination, at: now).map { (standing, $0) }
        }
        return known.map { Decision($0, dane: $1, settings: decisions) }
    }

    /// Answers what is known, or lets `whenLanded` wait for it. Starts discoveries where none are under way.
    ///
    /// - Parameter whenLanded: called at most once, from any thread, and not before this function has returned
    ///   `waiting`… or never, when the waiter has given up.
    package func lookup(
        _ destination: DANEDestination, whenLanded: @escaping @Sendable (Decision) -> Void
    ) -> Lookup {
        let now = now()
        let (lookup, work) = withState { state -> (Lookup, [Work]) in
            let policy = Part(state.ledger.asked(destination.domain, at: now))
            let finding =
                state.usesDANE ? Part(state.findings.asked(destination, at: now), of: destination) : Part(.off)
            let work = [policy.work, finding.work].compactMap { $0 }
            if let standing = policy.known, let dane = finding.known {
                return (.decided(Decision(standing, dane: dane, settings: decisions)), work)
            }
            let waiting = WaitingList.Waiting(
                destination: destination, standing: policy.known, dane: finding.known, call: whenLanded)
            let waiter = state.waitingList.add(waiting, policy: policy.flight, finding: finding.flight)
            return (.waiting(waiter, atMost: Part<Standing>.longer(policy.patience, finding.patience)), work)
        }
        for one in work { start.yield(one) }
        return lookup
    }

    /// One half of an answer: known, or being found out.
    private struct Part<Known> {
        var known: Known?
        var flight: FlightID?
        /// `.zero` where it is known; `nil`: as long as the lookup may take.
        var patience: Duration? = .zero
        var work: Work?

        init(_ known: Known) { self.known = known }

        init(_ asked: Asked) where Known == Standing {
            switch asked {
            case .answer(let standing): known = standing
            case .join(let id, let atMost): (flight, patience) = (id, atMost)
            case .start(let plan, let atMost): (flight, patience, work) = (plan.id, atMost, .fly(plan))
            }
        }

        init(_ asked: FindingLedger.Asked, of destination: DANEDestination) where Known == DANEStanding {
            switch asked {
            case .answer(let standing): known = standing
            case .join(let id, let atMost): (flight, patience) = (id, atMost)
            case .start(let id, let atMost): (flight, patience, work) = (id, atMost, .find(id, destination))
            }
        }

        /// Both halves are needed, so the one that may take longer decides.
        static func longer(_ one: Duration?, _ other: Duration?) -> Duration? {
            guard let one, let other else { return nil }
            return max(one, other)
        }
    }

    /// Waits no longer: what can be said now. The discoveries go on, and their landings are stored as usual.
    ///
    /// - Returns: `nil` when the landing was quicker and has called back, or is about to.
    package func giveUp(_ waiter: Waiter) -> Decision? {
        let now = now()
        return state.withLock { state in
            guard let waited = state.waitingList.remove(waiter) else { return nil }
            let standing = waited.standing ?? state.ledger.standing(of: waited.destination.domain, at: now)
            let dane = waited.dane ?? state.findings.standing(of: waited.destination, at: now)
            return Decision(standing, dane: dane, settings: decisions)
        }
    }

    private func answer(_ waited: [WaitingList.Waiting]) {
        for one in waited {
            guard let standing = one.standing, let dane = one.dane else { continue }
            one.call(Decision(standing, dane: dane, settings: decisions))
        }
    }

    // MARK: Discoveries

    /// Loads what the archive kept, and runs discoveries until the task group it belongs to shuts down. Then everything
    /// that was learnt is committed.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await self.writer.run {
                    self.state.withLock { $0.owesEverything = true }
                    self.start.yield(.exchange)
                }
            }
            group.addTask { await self.lookAfterPolicies() }
            start.yield(.load)
            await doWork()
            group.cancelAll()
        }
        if state.withLock(\.owesEverything) { bringEverything() }
        await writer.end { self.bringEverything() }
    }

    private func doWork() async {
        await withDiscardingTaskGroup { group in
            for await work in work.cancelOnGracefulShutdown() {
                group.addTask {
                    switch work {
                    case .fly(let plan): await self.fly(plan)
                    case .find(let flight, let destination): await self.find(flight, destination)
                    case .hurry(let flight, let domain, let patience):
                        await self.hurry(flight, of: domain, after: patience)
                    case .load: await self.load()
                    case .exchange:
                        await self.load()
                        self.bringEverything()
                    }
                }
            }
            // Whoever still waits is answered by its landing: a cancelled query is a failed one.
            group.cancelAll()
        }
    }

    private func fly(_ plan: FlightPlan) async {
        switch plan.step {
        case .recall: await recall(plan)
        case .record: await askRecord(of: plan.domain, in: plan.id)
        case .policy(let id): await fetch(id, of: plan.domain, delay: plan.delay, in: plan.id)
        case .refresh(let id): await refresh(id, of: plan.domain, in: plan.id)
        }
        settle(plan.id)
    }

    private func recall(_ plan: FlightPlan) async {
        let kept = await reader.policy(of: plan.domain)
        let now = now()
        let recalled = withLedger { $0.recalled(plan.id, kept, at: now) }
        if recalled.next != .settle, let patience = recalled.patience {
            start.yield(.hurry(plan.id, plan.domain, after: patience))
        }
        await go(on: recalled.next, with: plan.domain, in: plan.id)
    }

    private func go(on next: NextStep, with domain: PolicyDomain, in flight: FlightID) async {
        switch next {
        case .settle: break
        case .askRecord: await askRecord(of: domain, in: flight)
        case .fetch(let id, let delay): await fetch(id, of: domain, delay: delay, in: flight)
        }
    }

    private func askRecord(of domain: PolicyDomain, in flight: FlightID) async {
        let report = await discovery.record(of: domain)
        // The daemon stops: that says nothing about the domain. Whoever waits is answered by what is known.
        guard !Task.isCancelled else { return }
        let landedAt = now()
        await go(on: withLedger { $0.recordLanded(flight, report, at: landedAt) }, with: domain, in: flight)
    }

    private func fetch(_ id: RecordID, of domain: PolicyDomain, delay: Duration, in flight: FlightID) async {
        // A cancelled sleep means that the daemon stops; the fetch then ends at once by the same cancellation.
        if delay > .zero { try? await sleep(delay) }
        await landed(await discovery.policy(of: domain), as: id, in: flight)
    }

    private func refresh(_ id: RecordID, of domain: PolicyDomain, in flight: FlightID) async {
        let host = await discovery.policyHost(of: domain)
        guard !Task.isCancelled, withLedger({ $0.mayDial(host.dialled, in: flight) }) else { return }
        await landed(await discovery.policy(of: domain, at: host), as: id, in: flight)
    }

    private func landed(_ report: PolicyReport, as id: RecordID, in flight: FlightID) async {
        guard !Task.isCancelled else { return }
        let landedAt = now()
        guard let change = withLedger({ $0.policyLanded(flight, id, report.finding, at: landedAt) }) else { return }
        // A policy outlives the process before Postfix first hears of it.
        await writer.commit(change)
    }

    private func settle(_ flight: FlightID) {
        let now = now()
        let (landing, waited) = withState { state in
            let landing = state.ledger.settle(flight, at: now)
            return (landing, state.waitingList.policyLanded(flight, landing?.standing ?? .unknown(.unfinished)))
        }
        if let landing { log.record(landing.news, at: now) }
        answer(waited)
    }

    /// The archive had a policy for those who waited for a first answer: now they wait only so long for news of it.
    private func hurry(_ flight: FlightID, of domain: PolicyDomain, after patience: Duration) async {
        guard (try? await sleep(patience)) != nil else { return }
        let now = now()
        answer(
            state.withLock { state in
                state.waitingList.policyLanded(flight, state.ledger.standing(of: domain, at: now))
            })
    }

    private func find(_ flight: FlightID, _ destination: DANEDestination) async {
        let report = await dane?.report(on: destination)
        let now = now()
        // The daemon stops: that says nothing about the destination.
        let finding = Task.isCancelled ? nil : report?.finding
        answer(
            state.withLock { state in
                state.waitingList.findingLanded(flight, state.findings.landed(flight, finding, at: now))
            })
    }

    // MARK: The background

    private func lookAfterPolicies() async {
        var purgedAt: WallTime?
        while !Task.isCancelled {
            let now = now()
            let due = withLedger { $0.due(at: now) }
            for news in due.news { log.record(news, at: now) }
            for plan in due.refreshes { start.yield(.fly(plan)) }
            writer.check()
            if purgedAt.map({ !now.isWithin(Self.purgeInterval, of: $0) }) ?? true {
                writer.purge(at: now)
                purgedAt = now
            }
            try? await sleep(Self.pulse)
        }
    }

    private func load() async {
        let load = withLedger { $0.restoring() }
        let isComplete = await reader.load { kept in
            let now = self.now()
            self.withLedger { $0.restore(kept, at: now) }
        }
        if isComplete { withLedger { $0.restored(load) } }
    }

    /// The archive gets what memory has.
    private func bringEverything() {
        let domains = withState { state in
            state.owesEverything = false
            return state.ledger.domains
        }
        // Some at a time: lookups are not to wait for it.
        for first in stride(from: 0, to: domains.count, by: 1_000) {
            let some = domains[first..<min(first + 1_000, domains.count)]
            writer.noteAgain(withLedger { ledger in some.compactMap { ledger.kept(of: $0) } })
        }
    }

    private func withLedger<Result>(_ body: (inout PolicyLedger) -> sending Result) -> Result {
        withState { body(&$0.ledger) }
    }

    /// What the ledger wants kept goes to the archive on the way out.
    private func withState<Result>(_ body: (inout State) -> sending Result) -> Result {
        state.withLock { state in
            let result = body(&state)
            // Under the lock, so that they arrive in the order in which they were made.
            writer.note(state.ledger.takeChanges())
            return result
        }
    }
}

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
/// Concurrency: `decision(for:)`, `lookup(_:whenLanded:)` and `giveUp(_:)` from any thread or event loop, at once;
/// discoveries run in `run()`'s task group.
/// Fails by: answering "unknown"; a failing archive is logged and mail goes on from memory.
/// Its parts: lookups, the operator's orders and the operator's views are in files of their own.
/// Not here: who waits for how long (LookupServer), how an answer is written (PostfixTable).
package final class PolicyService: Service {
    let state: Mutex<ServiceState>
    /// What `run` is to do.
    enum Work: Sendable {
        case fly(FlightPlan)
        case find(FlightID, DANEDestination)
        /// Those who wait for a flight hear what there is, after this time.
        case hurry(FlightID, PolicyDomain, after: Duration)
        /// What the operator has ordered, then the policies.
        case load
        /// The archive is ours now, and its orders are in force in place of what we read beside another process.
        case inherit
        /// The archive is another one: memory gets what is newer in it, and it gets the rest.
        case exchange
    }

    private let settings: Mutex<ServiceSettings>
    let writer: ArchiveWriter
    let reader: ArchiveReader
    /// Wall time.
    package let now: @Sendable () -> WallTime
    let sleep: @Sendable (Duration) async throws -> Void
    /// `nil`: the wall clock is compared with nothing.
    private let bootTime: (@Sendable () -> Duration)?
    let log: ChangeLog
    let observedLookups: ObservedLookups
    private let onLoaded: @Sendable () -> Void
    private let work: AsyncStream<Work>
    let start: AsyncStream<Work>.Continuation

    // For explanations only, so they stay out of the way of lookups. Four lookups of each of 2,048 domains are 1 MiB.
    let recentLookups = Mutex(RecentNotes<RecentLookup>(domains: 2_048, limit: 4))
    let recentFailures = Mutex(RecentNotes<RecentFailure>(domains: 2_048, limit: 3))
    /// With each answer of DNS, some kilobytes apiece.
    let recentReports = Mutex(BoundedStore<DANEDestination, DANEReport>(capacity: 512, ranks: 1))

    /// How often it is looked whether something is due in the background, and whether the archive is still there. Short,
    /// so that a minute's work is spread over it.
    private static let pulse = Duration.seconds(5)
    /// How often the archive is told to delete what has long been over.
    private static let purgeInterval = Duration.seconds(3_600)

    /// - Parameter dane: `nil`: DANE is never looked for. Else it is from `useDANE` on.
    /// - Parameter now: wall time.
    /// - Parameter bootTime: the time since boot by a clock that nobody sets, to notice steps of the wall clock.
    /// - Parameter sleep: lets a span pass; throws when its task is cancelled.
    /// - Parameter seed: of the numbers that spread refreshes over the day.
    /// - Parameter onLoaded: called when everything that was kept is in memory, and when it is clear that it cannot be now.
    ///   Perhaps more than once.
    package init(
        discovery: PolicyDiscovery, dane: DANEDiscovery? = nil, archive: any PolicyArchive = NoArchive(),
        ledger: LedgerSettings = LedgerSettings(), decisions: DecisionSettings = DecisionSettings(), logger: Logger,
        now: @escaping @Sendable () -> WallTime, bootTime: (@Sendable () -> Duration)? = nil,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        seed: UInt64 = .random(in: 0 ... .max), metrics: any MetricsFactory = MetricsSystem.factory,
        onLoaded: @escaping @Sendable () -> Void = {}
    ) {
        state = Mutex(
            ServiceState(
                ledger: PolicyLedger(settings: ledger, isArchived: !archive.keepsNothing, seed: seed),
                findings: FindingLedger(settings: ledger), decisions: decisions,
                waitingList: WaitingList(isHeld: !archive.keepsNothing)))
        settings = Mutex(
            ServiceSettings(discovery: discovery, dane: dane, decisions: decisions, ledger: ledger))
        self.now = now
        self.bootTime = bootTime
        self.sleep = sleep
        log = ChangeLog(logger: logger)
        observedLookups = ObservedLookups(logger: logger, metrics: metrics)
        let alarm = ArchiveAlarm(log: log, metrics: metrics)
        // At least the ends that one purge returns.
        let limit = max(ledger.maximumDomains, NoArchive.maximumExpired)
        writer = ArchiveWriter(archive, limit: limit, alarm: alarm, sleep: sleep)
        reader = ArchiveReader(archive, beside: writer, log: log, alarm: alarm, sleep: sleep)
        (work, start) = AsyncStream.makeStream()
        self.onLoaded = onLoaded
    }

    // MARK: Settings

    private var discovery: PolicyDiscovery { settings.withLock(\.discovery) }
    private var dane: DANEDiscovery? { settings.withLock(\.dane) }

    /// From now on these settings are in force: for the answers to those who wait too, and for what is found out from now
    /// on. What is under way goes on as it began. Whether DANE is looked for stays, as long as it can be.
    package func use(_ new: ServiceSettings) {
        settings.withLock { $0 = new }
        let (before, after) = withState { state in
            let before = state.observing
            state.decisions = new.decisions
            state.ledger.use(new.ledger)
            state.findings.use(new.ledger)
            state.usesDANE = state.usesDANE && new.dane != nil
            return (before, state.observing)
        }
        if before.isOn != after.isOn { log.observing(after) }
    }

    /// From now on DANE is looked for, or not.
    package func useDANE(_ isUsed: Bool) {
        let isUsed = isUsed && dane != nil
        state.withLock { $0.usesDANE = isUsed }
    }

    package var isUsingDANE: Bool { state.withLock(\.usesDANE) }

    // MARK: Discoveries

    /// Loads what the archive kept, and runs discoveries until the task group it belongs to shuts down. Then everything
    /// that was learnt is committed.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await self.writer.run { turn in
                    switch turn {
                    case .awaited: await self.followOrders()
                    case .inherited: self.start.yield(.inherit)
                    case .lost:
                        self.state.withLock { $0.owesEverything = true }
                        self.start.yield(.exchange)
                    }
                }
            }
            group.addTask { await self.lookAfterPolicies() }
            start.yield(.load)
            if observing.isConfigured { log.observing(observing) }
            await doWork()
            group.cancelAll()
        }
        if state.withLock(\.owesEverything) { bringEverything() }
        await writer.end { if $0 == .lost { self.bringEverything() } }
        endDemands()
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
                    case .load: await self.loadAll()
                    case .inherit: await self.loadAll(isInherited: true)
                    case .exchange:
                        await self.loadAll()
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
        settle(plan)
    }

    private func recall(_ plan: FlightPlan) async {
        let kept = await reader.recollection(of: plan.domain)
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
        if case .failed(let failure) = report.finding { note(.record(failure), of: domain, at: landedAt) }
        await go(on: withLedger { $0.recordLanded(flight, report, at: landedAt) }, with: domain, in: flight)
    }

    private func fetch(_ id: RecordID, of domain: PolicyDomain, delay: Duration, in flight: FlightID) async {
        // A cancelled sleep means that the daemon stops; the fetch then ends at once by the same cancellation.
        if delay > .zero { try? await sleep(delay) }
        let purpose = purpose(of: flight)
        await landed(await discovery.policy(of: domain, purpose: purpose), of: domain, as: id, in: flight)
    }

    private func refresh(_ id: RecordID, of domain: PolicyDomain, in flight: FlightID) async {
        let host = await discovery.policyHost(of: domain)
        guard !Task.isCancelled, withLedger({ $0.mayDial(host.dialled, in: flight) }) else { return }
        let purpose = purpose(of: flight)
        await landed(await discovery.policy(of: domain, at: host, purpose: purpose), of: domain, as: id, in: flight)
    }

    private func purpose(of flight: FlightID) -> FetchPurpose {
        let now = now()
        return withLedger { $0.purpose(of: flight, at: now) }
    }

    private func landed(
        _ report: PolicyReport, of domain: PolicyDomain, as id: RecordID, in flight: FlightID
    ) async {
        guard !Task.isCancelled else { return }
        let landedAt = now()
        if case .failed(let failure) = report.finding { note(.policy(failure), of: domain, at: landedAt) }
        guard let change = withLedger({ $0.policyLanded(flight, id, report.finding, at: landedAt) }) else { return }
        // A policy outlives the process before Postfix first hears of it.
        await writer.commit(change)
    }

    private func settle(_ plan: FlightPlan) {
        let now = now()
        let (landing, answers, demand, settings) = withState { state in
            let landing = state.ledger.settle(plan.id, at: now)
            let waited = state.waitingList.policyLanded(plan.id, landing?.standing ?? .unknown(.unfinished))
            let demand = state.demand(of: plan.domain, landing?.refresh, at: now)
            return (landing, state.answers(waited, at: now), demand, state.decisions)
        }
        if let landing { log.record(landing.news, at: now, settings) }
        answer(answers)
        switch demand {
        case .none: break
        case .met(let operators, let result): for one in operators { one.resume(returning: result) }
        case .begins(let next): start.yield(.fly(next))
        }
    }

    /// The archive had a policy for those who waited for a first answer: now they wait only so long for news of it.
    private func hurry(_ flight: FlightID, of domain: PolicyDomain, after patience: Duration) async {
        guard (try? await sleep(patience)) != nil else { return }
        let now = now()
        answer(
            state.withLock { state in
                let waited = state.waitingList.policyLanded(flight, state.ledger.standing(of: domain, at: now))
                return state.answers(waited, at: now)
            })
    }

    private func find(_ flight: FlightID, _ destination: DANEDestination) async {
        let report = await dane?.report(on: destination) { progress in
            self.state.withLock { $0.findings.progressed(flight, progress) }
        }
        let now = now()
        // The daemon stops: that says nothing about the destination.
        let landed = Task.isCancelled ? nil : report
        if let landed { note(landed, at: now) }
        answer(
            state.withLock { state in
                let standing = state.findings.landed(flight, landed?.finding, at: now)
                return state.answers(state.waitingList.findingLanded(flight, standing), at: now)
            })
    }

    // MARK: The background

    private func lookAfterPolicies() async {
        var purgedAt: WallTime?
        var clocks = ClockComparison()
        while !Task.isCancelled {
            let now = now()
            let step = bootTime.flatMap { clocks.step(wall: now, boot: $0()) }
            let expired = reader.parse(expired: writer.takeExpired())
            let (due, settings) = withState { state in
                state.ledger.noteEnds(expired, at: now)
                return (state.ledger.due(at: now), state.decisions)
            }
            log.clock(step: step, behind: due.clockBehind)
            for news in due.news { log.record(news, at: now, settings) }
            lookAfterOrders(at: now)
            for plan in due.refreshes { start.yield(.fly(plan)) }
            writer.check()
            if purgedAt.map({ !now.isWithin(Self.purgeInterval, of: $0) }) ?? true {
                writer.purge(at: now)
                purgedAt = now
            }
            try? await sleep(Self.pulse)
        }
    }

    private func loadAll(isInherited: Bool = false) async {
        async let orders: Void = loadOrders(isInherited: isInherited)
        await load()
        await orders
    }

    private func load() async {
        let load = withLedger { $0.restoring() }
        let isComplete = await reader.load(onTried: onLoaded) { kept in
            let now = self.now()
            self.withLedger { $0.restore(kept, at: now) }
        }
        if isComplete { withLedger { $0.restored(load) } }
    }

    /// The archive gets what memory has.
    private func bringEverything() {
        let domains = withState { state in
            state.owesEverything = false
            writer.noteAgain(state.orders.everything)
            return state.ledger.domains
        }
        // Some at a time: lookups are not to wait for it.
        for first in stride(from: 0, to: domains.count, by: 1_000) {
            let some = domains[first..<min(first + 1_000, domains.count)]
            writer.noteAgain(withLedger { ledger in some.compactMap { ledger.kept(of: $0) } })
        }
    }

    func withLedger<Result>(_ body: (inout PolicyLedger) -> sending Result) -> Result {
        withState { body(&$0.ledger) }
    }

    /// What the ledger wants kept goes to the archive on the way out.
    func withState<Result>(_ body: (inout ServiceState) -> sending Result) -> Result {
        state.withLock { state in
            let result = body(&state)
            // Under the lock, so that they arrive in the order in which they were made.
            writer.note(state.takeChanges())
            return result
        }
    }
}

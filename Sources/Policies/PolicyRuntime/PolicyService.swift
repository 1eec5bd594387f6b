import DANE
import Discovery
import Logging
import MTASTS
import Metrics
import PolicyCaching
import ServiceLifecycle
import Synchronization
import TextFormats

/// Answers lookups from the cache and runs discoveries for domains that the cache does not know.
///
/// It drives the pure value `PolicyCache`: decides under one mutex and acts outside of it. A cache hit is answered on the
/// thread of the caller; only a miss starts a task.
/// Concurrency: `hit(_:)`, `lookup(_:onDecision:)` and `cancelWait(_:)` from any thread or event loop; discoveries run
/// in the task group of `run()`.
/// Errors: none; a policy that cannot be found out is "unknown". Store errors are logged, and the service continues in memory.
/// Not here: the deadline of a lookup (TableServer), the text of a reply (PostfixTable).
package final class PolicyService: Service {
    enum Work: Sendable {
        /// Run a discovery of a policy.
        case discover(FlightPlan)
        case discoverDANE(FlightID, Destination)
        /// Answer the lookups that wait for a flight with what is known, after this time.
        case limitWait(FlightID, PolicyDomain, after: Duration)
        /// Load overrides and policies from the store.
        case load
        /// The store is another file: load what is newer in it, and write the rest into it.
        case rewriteStore
    }

    let state: Mutex<ServiceState>
    private let settings: Mutex<ServiceSettings>
    let writer: StoreWriter
    let reader: StoreReader
    /// Wall time.
    package let now: @Sendable () -> WallTime
    let sleep: @Sendable (Duration) async throws -> Void
    /// `nil`: steps of the wall clock are not detected.
    let bootTime: (@Sendable () -> Duration)?
    let log: EventLogger
    let observedLookups: ObservedLookups
    let onLoaded: @Sendable () -> Void
    private let work: AsyncStream<Work>
    let start: AsyncStream<Work>.Continuation

    // For `explain`. They have mutexes of their own, so that they do not delay lookups.
    let recentLookups = Mutex(RecentLookups())
    let recentFailures = Mutex(RecentNotes<RecentFailure>(domains: 2_048, limit: 3))
    /// Each report has the DNS answers, a few kilobytes.
    let recentReports = Mutex(LRUCache<Destination, DANEReport>(capacity: 512, priorities: 1))

    /// - Parameters:
    ///   - dane: `nil` if DANE is never looked up. Otherwise `useDANE` switches it on.
    ///   - bootTime: the time since boot, from a clock that is never set. It reveals steps of the wall clock.
    ///   - sleep: throws when its task is cancelled.
    ///   - seed: for the random numbers that spread refreshes over the day.
    ///   - onLoaded: called when all stored policies are in memory, and when it is clear that they cannot be loaded now.
    ///     Possibly more than once.
    package init(
        discovery: PolicyDiscovery, dane: DANEDiscovery? = nil, store: any PolicyStore = NoStore(),
        cache: CacheSettings = CacheSettings(), decisions: DecisionSettings = DecisionSettings(), logger: Logger,
        now: @escaping @Sendable () -> WallTime, bootTime: (@Sendable () -> Duration)? = nil,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        seed: UInt64 = .random(in: 0 ... .max), metrics: any MetricsFactory = MetricsSystem.factory,
        onLoaded: @escaping @Sendable () -> Void = {}
    ) {
        state = Mutex(
            ServiceState(
                cache: PolicyCache(settings: cache, isPersistent: !store.storesNothing, seed: seed),
                daneCache: DANECache(settings: cache), decisions: decisions,
                waiters: WaiterTable(isPaused: !store.storesNothing)))
        settings = Mutex(
            ServiceSettings(discovery: discovery, dane: dane, decisions: decisions, cache: cache))
        self.now = now
        self.bootTime = bootTime
        self.sleep = sleep
        log = EventLogger(logger: logger)
        observedLookups = ObservedLookups(logger: logger, metrics: metrics)
        let health = StoreHealth(log: log, metrics: metrics)
        // At least the expired policies that one purge returns.
        let maximumPending = max(cache.maximumDomains, NoStore.maximumExpired)
        writer = StoreWriter(store, maximumPending: maximumPending, health: health, sleep: sleep)
        reader = StoreReader(store, writer: writer, log: log, health: health, sleep: sleep)
        (work, start) = AsyncStream.makeStream()
        self.onLoaded = onLoaded
    }

    // MARK: Settings

    var currentSettings: ServiceSettings { settings.withLock(\.self) }

    /// Uses these settings for answers and discoveries from now on. Discoveries in progress continue with the old ones.
    /// DANE stays on or off, unless the new settings have no DANE discovery.
    package func update(settings new: ServiceSettings) {
        settings.withLock { $0 = new }
        let (before, after) = withState { state in
            let before = state.observeMode
            state.decisions = new.decisions
            state.cache.update(settings: new.cache)
            state.daneCache.update(settings: new.cache)
            state.usesDANE = state.usesDANE && new.dane != nil
            return (before, state.observeMode)
        }
        if before.isOn != after.isOn { log.observeMode(after) }
    }

    /// Switches DANE lookups on or off.
    package func useDANE(_ isOn: Bool) {
        let isOn = isOn && currentSettings.dane != nil
        state.withLock { $0.usesDANE = isOn }
    }

    package var isUsingDANE: Bool { state.withLock(\.usesDANE) }

    // MARK: Running

    /// Loads the store and runs discoveries until graceful shutdown. Then writes all pending changes.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await self.writer.run {
                    self.state.withLock { $0.mustRewriteStore = true }
                    self.start.yield(.rewriteStore)
                }
            }
            group.addTask { await self.runBackground() }
            start.yield(.load)
            if observeMode.isConfigured { log.observeMode(observeMode) }
            await doWork()
            group.cancelAll()
        }
        if state.withLock(\.mustRewriteStore) { rewriteStore() }
        await writer.end { self.rewriteStore() }
        endRefreshWaits()
    }

    /// Runs discoveries where the answers of DNS arrive. Loading computes for long, so it runs elsewhere.
    private func doWork() async {
        await withTaskExecutorPreference(currentSettings.discovery.executor) { await startTasks() }
    }

    private func startTasks() async {
        await withDiscardingTaskGroup { group in
            for await work in work.cancelOnGracefulShutdown() {
                group.addTask(executorPreference: executor(of: work)) {
                    switch work {
                    case .discover(let plan): await self.discover(plan)
                    case .discoverDANE(let flight, let destination): await self.discoverDANE(destination, in: flight)
                    case .limitWait(let flight, let domain, let timeout):
                        await self.limitWait(for: flight, of: domain, after: timeout)
                    case .load: await self.loadStore()
                    case .rewriteStore:
                        await self.loadStore()
                        self.rewriteStore()
                    }
                }
            }
            // A cancelled discovery ends, which answers the lookups that wait for it.
            group.cancelAll()
        }
    }

    private func executor(of work: Work) -> (any TaskExecutor)? {
        switch work {
        case .discover, .discoverDANE, .limitWait: currentSettings.discovery.executor
        case .load, .rewriteStore: globalConcurrentExecutor
        }
    }

    // MARK: The state

    /// Handles an event of the cache.
    func withCache<Answer: Sendable>(_ event: (inout PolicyCache) -> CacheResult<Answer>) -> Answer {
        withState { $0.handle(event) }
    }

    /// Changes the state, then passes store changes to the writer and events to the log.
    ///
    /// - Parameter beforeEvents: called without the mutex, before the events are logged.
    func withState<Result>(
        _ body: (inout ServiceState) -> sending Result, beforeEvents: (Result) -> Void = { _ in }
    ) -> Result {
        var events: [DomainEvents] = []
        var decisions: DecisionSettings?
        let result = state.withLock { state in
            let result = body(&state)
            // Under the mutex, so that the writer gets the changes in their order.
            writer.note(state.takeChanges())
            if !state.events.isEmpty {
                (events, decisions) = (state.takeEvents(), state.decisions)
            }
            return result
        }
        beforeEvents(result)
        if let decisions {
            let now = now()
            for event in events { log.record(event, at: now, decisions: decisions) }
        }
        return result
    }
}

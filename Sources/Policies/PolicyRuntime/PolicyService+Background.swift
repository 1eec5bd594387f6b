import MTASTS
import PolicyCaching
import TextFormats

/// Work at intervals, and loading the store.
extension PolicyService {
    /// The interval of checks for due work and for the file of the store. It is short, so that the work of a minute is spread
    /// over it.
    private static let interval = Duration.seconds(5)
    private static let purgeInterval = Duration.seconds(3_600)

    func runBackground() async {
        var purgedAt: WallTime?
        var clocks = ClockComparison()
        while !Task.isCancelled {
            let now = now()
            let step = bootTime.flatMap { clocks.step(wallTime: now, bootTime: $0()) }
            let expired = reader.parse(expired: writer.takeExpired())
            let due = withState { state in
                state.handle { $0.noteExpired(expired, at: now) }
                return state.handle { $0.due(at: now) }
            } beforeEvents: { due in
                // A step of the clock explains the events that follow from it.
                log.clock(step: step, behind: due.clockBehind)
            }
            // Lookups join these flights, so they must not wait for the store.
            for plan in due.refreshes { start.yield(.discover(plan)) }
            await followOtherProcesses()
            checkOverrides(at: now)
            writer.check()
            if purgedAt.map({ !now.isWithin(Self.purgeInterval, of: $0) }) ?? true {
                writer.purge(at: now)
                purgedAt = now
            }
            try? await sleep(Self.interval)
        }
    }

    func loadStore() async {
        async let overrides: Void = loadOverrides()
        await loadPolicies()
        await overrides
    }

    private func loadPolicies() async {
        let load = state.withLock { $0.cache.beginLoading() }
        let isComplete = await reader.load(onTried: onLoaded) { policies in
            let now = self.now()
            self.withCache { $0.restore(policies, at: now) }
        }
        if isComplete { state.withLock { $0.cache.endLoading(load) } }
    }

    /// Writes everything that memory has into a new file of the store.
    func rewriteStore() {
        let domains = withState { state in
            state.mustRewriteStore = false
            writer.noteIfAbsent(state.overrides.storeChanges)
            return state.cache.domains
        }
        // In parts, so that lookups do not wait for it.
        for first in stride(from: 0, to: domains.count, by: 1_000) {
            let part = domains[first..<min(first + 1_000, domains.count)]
            writer.noteIfAbsent(state.withLock { state in part.compactMap { state.cache.saveChange(of: $0) } })
        }
    }
}

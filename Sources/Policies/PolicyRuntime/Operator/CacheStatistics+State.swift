import MTASTS
import PolicyCaching
import TextFormats

/// The last count of the cache, or the count in progress.
struct Counting: Sendable {
    let begunAt: WallTime
    let task: Task<CacheStatistics, Never>
    var isInProgress = true
}

extension CacheStatistics {
    /// - Parameters:
    ///   - unwritten: the number of changes that the store does not have yet.
    ///   - failure: the error of the store.
    init(_ count: EntryCount, state: ServiceState, unwritten: Int, failure: StoreError?, at now: WallTime) {
        let overrides = state.overrides.overrides(at: now)
        let exempted = overrides.count(where: \.isExemption)
        self.init(
            at: now, counts: count.counts, failing: count.failing, soonestExpiry: count.soonestExpiry,
            soonestFailingExpiry: count.soonestFailingExpiry, oldestFetch: count.oldestFetch,
            flights: state.cache.flightCount, refreshed: state.cache.refreshedCount,
            refreshesDue: state.cache.refreshesDue(at: now), findings: state.daneCache.count, exempted: exempted,
            pinned: overrides.count - exempted, isLoaded: state.cache.hasLoadedAll, unwritten: unwritten,
            storeError: failure)
    }
}

extension Override {
    fileprivate var isExemption: Bool {
        guard case .exempt = kind else { return false }
        return true
    }
}

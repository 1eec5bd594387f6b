import AdminAPI
import PolicyCaching

extension CacheSummary {
    init(_ statistics: CacheStatistics) {
        let states = EntryState.allCases.map { (DomainState($0), statistics.counts[$0] ?? 0) }
        self.init(
            domains: statistics.domains, states: Dictionary(states, uniquingKeysWith: +), failing: statistics.failing,
            daneResults: statistics.findings, loaded: statistics.isLoaded, pendingWrites: statistics.unwritten,
            storeFailure: statistics.storeError.map { Sanitized.text($0) })
    }
}

extension DomainTime {
    init(_ time: CacheStatistics.DomainTime) {
        self.init(domain: time.domain.name.text, at: Timestamp(time.time))
    }
}

extension BackgroundSummary {
    init(_ statistics: CacheStatistics) {
        self.init(
            discoveries: statistics.flights, scheduledRefreshes: statistics.refreshed,
            refreshesDue: statistics.refreshesDue)
    }
}

extension OverrideCounts {
    init(_ statistics: CacheStatistics) {
        self.init(exempted: statistics.exempted, pinned: statistics.pinned)
    }
}

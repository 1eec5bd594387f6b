import MTASTS
import TextFormats

/// Counts entries, and finds the first expiry and the oldest fetch.
package struct EntryCount: Sendable {
    private let now: WallTime
    package private(set) var counts: [EntryState: Int] = [:]
    package private(set) var failing = 0
    package private(set) var soonestExpiry: CacheStatistics.DomainTime?
    package private(set) var soonestFailingExpiry: CacheStatistics.DomainTime?
    package private(set) var oldestFetch: CacheStatistics.DomainTime?

    package init(at now: WallTime) {
        self.now = now
    }

    mutating func add(_ domain: PolicyDomain, entry: CacheEntry, settings: CacheSettings) {
        let state = EntryState(entry.status(at: now, pauses: settings.pauses))
        counts[state, default: 0] += 1
        let isFailing = entry.isFailing(state)
        if isFailing { failing += 1 }
        guard let cached = entry.applicable(at: now), entry.isInUse(at: now, settings: settings.refresh) else { return }
        Self.update(&oldestFetch, with: domain, at: cached.fetchedAt)
        guard state != .none else { return }
        Self.update(&soonestExpiry, with: domain, at: cached.end(asOf: now))
        if isFailing { Self.update(&soonestFailingExpiry, with: domain, at: cached.end(asOf: now)) }
    }

    /// Keeps the domain with the earlier time.
    private static func update(
        _ earliest: inout CacheStatistics.DomainTime?, with domain: PolicyDomain, at time: WallTime
    ) {
        if let earliest, earliest.time <= time { return }
        earliest = CacheStatistics.DomainTime(domain: domain, time: time)
    }
}

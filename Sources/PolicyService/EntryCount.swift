import MTASTS

/// Counts entries that pass by, and notices those that stand out.
struct EntryCount: Sendable {
    private let now: WallTime
    private(set) var counts: [EntryState: Int] = [:]
    private(set) var failing = 0
    private(set) var soonestExpiry: Census.Notable?
    private(set) var soonestFailingExpiry: Census.Notable?
    private(set) var oldestFetch: Census.Notable?

    init(at now: WallTime) {
        self.now = now
    }

    mutating func add(_ domain: PolicyDomain, _ entry: LedgerEntry, _ settings: LedgerSettings) {
        let state = EntryState(entry.standing(at: now, settings.pauses))
        counts[state, default: 0] += 1
        let isFailing = entry.isFailing(state)
        if isFailing { failing += 1 }
        guard let held = entry.applicable(at: now), entry.isInUse(at: now, settings.refresh) else { return }
        Self.keepEarliest(&oldestFetch, domain, held.fetchedAt)
        guard state != .none else { return }
        Self.keepEarliest(&soonestExpiry, domain, held.end(asOf: now))
        if isFailing { Self.keepEarliest(&soonestFailingExpiry, domain, held.end(asOf: now)) }
    }

    private static func keepEarliest(_ notable: inout Census.Notable?, _ domain: PolicyDomain, _ time: WallTime) {
        if notable.map({ time < $0.time }) ?? true { notable = Census.Notable(domain: domain, time: time) }
    }
}

import Discovery
import MTASTS
import PolicyCaching
import TextFormats

/// A cache that collects the store changes of its results until `takeChanges`.
@dynamicMemberLookup
struct RecordedCache {
    var cache: PolicyCache
    private var changes: [StoreChange] = []
    /// Events of loading, which the next `due` returns first.
    private var pendingEvents: [DomainEvents] = []

    init(settings: CacheSettings = CacheSettings(), isPersistent: Bool = false, seed: UInt64 = 0) {
        cache = PolicyCache(settings: settings, isPersistent: isPersistent, seed: seed)
    }

    subscript<Value>(dynamicMember path: KeyPath<PolicyCache, Value>) -> Value { cache[keyPath: path] }

    mutating func takeChanges() -> [StoreChange] {
        defer { changes = [] }
        return changes
    }

    private mutating func take<Answer>(_ result: CacheResult<Answer>) -> Answer {
        changes += result.storeChanges
        pendingEvents += result.events
        return result.answer
    }

    // MARK: Events

    mutating func lookup(_ domain: PolicyDomain, at now: WallTime) -> CacheLookup {
        take(cache.lookup(domain, at: now))
    }

    mutating func storeRead(_ result: StoreLookup, in id: FlightID, at now: WallTime) -> AfterStoreLookup {
        take(cache.storeRead(result, in: id, at: now))
    }

    mutating func recordReceived(_ report: RecordReport, in id: FlightID, at now: WallTime) -> NextStep {
        take(cache.recordReceived(report, in: id, at: now))
    }

    mutating func policyReceived(
        _ result: PolicyResult, id: RecordID, in flight: FlightID, at now: WallTime
    ) -> StoreChange? {
        take(cache.policyReceived(result, id: id, in: flight, at: now))
    }

    mutating func finish(_ id: FlightID, at now: WallTime) -> FinishedFlight? {
        let result = cache.finish(id, at: now)
        changes += result.storeChanges
        return result.answer.map { FinishedFlight(result: $0, events: result.events.flatMap(\.events)) }
    }

    mutating func due(at now: WallTime) -> RecordedWork {
        let result = cache.due(at: now)
        changes += result.storeChanges
        defer { pendingEvents = [] }
        return RecordedWork(work: result.answer, domainEvents: pendingEvents + result.events)
    }

    mutating func restore(_ loaded: [LoadedPolicy], at now: WallTime) { take(cache.restore(loaded, at: now)) }

    mutating func noteExpired(_ expired: [LoadedPolicy], at now: WallTime) { take(cache.noteExpired(expired, at: now)) }

    mutating func forceRefresh(_ domain: PolicyDomain, at now: WallTime) -> FlightPlan? {
        take(cache.forceRefresh(domain, at: now))
    }

    mutating func forget(_ domain: PolicyDomain, at now: WallTime) -> Bool { take(cache.forget(domain, at: now)) }

    // MARK: Without a result

    mutating func answer(to domain: PolicyDomain, at now: WallTime) -> PolicyStatus? {
        cache.answer(to: domain, at: now)
    }
    mutating func forget(_ removal: PolicyRemoval) { cache.forget(removal) }
    mutating func mayConnect(to addresses: [IPAddress], in id: FlightID) -> Bool {
        cache.mayConnect(to: addresses, in: id)
    }
    mutating func beginLoading() -> Int { cache.beginLoading() }
    mutating func endLoading(_ load: Int) { cache.endLoading(load) }
    mutating func update(settings: CacheSettings) { cache.update(settings: settings) }
    func status(of domain: PolicyDomain, at now: WallTime) -> PolicyStatus { cache.status(of: domain, at: now) }
    func purpose(of id: FlightID, at now: WallTime) -> FetchPurpose { cache.purpose(of: id, at: now) }
    func report(of domain: PolicyDomain, at now: WallTime) -> EntryReport? { cache.report(of: domain, at: now) }
    func refreshesDue(at now: WallTime) -> Int { cache.refreshesDue(at: now) }
}

/// The end of a flight and its events.
@dynamicMemberLookup
struct FinishedFlight {
    let result: FlightResult
    let events: [CacheEvent]

    subscript<Value>(dynamicMember path: KeyPath<FlightResult, Value>) -> Value { result[keyPath: path] }
}

/// Work that is due, and the events that came before it.
@dynamicMemberLookup
struct RecordedWork {
    let work: DueWork
    let domainEvents: [DomainEvents]

    subscript<Value>(dynamicMember path: KeyPath<DueWork, Value>) -> Value { work[keyPath: path] }
}

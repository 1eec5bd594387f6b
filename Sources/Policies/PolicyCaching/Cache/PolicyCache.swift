import Discovery
import MTASTS
import TextFormats

/// The policies and records of all known domains, the discoveries in progress, and the time of the next refresh.
///
/// A pure value: the time is a parameter, and all that follows from an event is its result (`CacheResult`). A `lookup`
/// may start a flight. The flight reports its steps with `storeRead`, `recordReceived` and `policyReceived`, and ends with
/// `finish` after the policy is durable. So one flight of a domain covers the fetch and the store. `due` starts refreshes,
/// which are flights too.
/// Protocol: RFC 8461 §3.3, §5.1 and §10.2.
/// Concurrency: none of its own; `PolicyService` guards it with a mutex.
/// Limits: `CacheSettings.maximumDomains` domains.
/// Not here: queries and fetches (Discovery), the store (SQLiteStore), what Postfix gets (`Decision`).
package struct PolicyCache: Sendable {
    private(set) var settings: CacheSettings
    /// Whether there is a store: policies survive a restart, and the store may have more than memory.
    let isPersistent: Bool
    /// Whether memory has everything that the store has.
    package internal(set) var hasLoadedAll: Bool
    /// Whether other processes write the store too, so that it may have a policy that memory does not have.
    package var isShared = false
    /// Whether a domain that is not in memory is not in the store either.
    var isComplete: Bool { hasLoadedAll && !isShared }
    /// Whether memory ever had no space for a policy that the store has.
    var hasEvicted = false
    /// How often loading began.
    var loads = 0
    /// Whether the last loading has not ended.
    var isLoading = false
    var entries: LRUCache<PolicyDomain, CacheEntry>
    var flights: [FlightID: Flight] = [:]
    private var lastFlight: UInt64 = 0
    var refreshQueue = RefreshQueue()
    /// When policies expire whose expiry is to be logged.
    var expiryQueue = RefreshQueue()
    /// Policies of flights.
    var shared = SharedPolicies()
    var clock = ClockNotice()
    var budget: RefreshBudget
    var jitter: Jitter
    /// The last call of `due`.
    var lastCheck: WallTime?
    /// Domains that the operator removed and that have no new policy: the store may still have them.
    var forgotten: Set<PolicyDomain> = []
    /// Of the event that is being handled.
    var storeChanges: [StoreChange] = []
    var events: [DomainEvents] = []

    /// - Parameters:
    ///   - isPersistent: whether there is a store.
    ///   - seed: of the random numbers that spread refreshes over the day.
    package init(settings: CacheSettings = CacheSettings(), isPersistent: Bool = false, seed: UInt64 = 0) {
        self.settings = settings
        self.isPersistent = isPersistent
        hasLoadedAll = !isPersistent
        entries = LRUCache(capacity: settings.maximumDomains, priorities: CacheEntry.priorities)
        budget = RefreshBudget(settings.refresh)
        jitter = Jitter(seed: seed)
    }

    /// Domains in memory.
    package var count: Int { entries.count }
    /// Discoveries and refreshes in progress.
    package var flightCount: Int { flights.count }
    /// Policies that are refreshed in the background.
    package var refreshedCount: Int { refreshQueue.count }

    /// Uses these settings for everything that is found out from now on. `maximumDomains` stays.
    package mutating func update(settings new: CacheSettings) {
        settings = new
        budget.update(settings: new.refresh)
    }

    /// Handles one event and collects what follows from it.
    mutating func handle<Answer>(_ event: (inout PolicyCache) -> Answer) -> CacheResult<Answer> {
        let answer = event(&self)
        guard !storeChanges.isEmpty || !events.isEmpty else {
            return CacheResult(answer: answer, storeChanges: [], events: [])
        }
        defer { (storeChanges, events) = ([], []) }
        return CacheResult(answer: answer, storeChanges: storeChanges, events: events)
    }

    mutating func report(_ new: [CacheEvent], of domain: PolicyDomain, origin: Origin) {
        guard !new.isEmpty else { return }
        events.append(DomainEvents(domain: domain, events: new, origin: origin))
    }

    // MARK: Lookups

    /// A cache hit: the answer if nothing has to be found out. `nil`: call `lookup`.
    package mutating func answer(to domain: PolicyDomain, at now: WallTime) -> PolicyStatus? {
        let pauses = settings.pauses
        let answer = entries.use(domain) { entry -> PolicyStatus? in
            guard !entry.isDiscovering else { return nil }
            entry.noteLookup(at: now)
            return entry.answer(at: now, pauses: pauses)
        }
        return answer ?? nil
    }

    /// A hit of `PolicyCache`.
    package typealias Hit = RepeatableHit<PolicyDomain, CacheEntry>

    /// The hit that `answer` has just had, to be repeated; `nil`: it cannot be repeated.
    package func repeatableHit(of domain: PolicyDomain, at now: WallTime) -> Hit? {
        guard let handle = entries.handle(of: domain), let end = entries.peek(domain)?.answerEnd(at: now) else {
            return nil
        }
        return Hit(handle, from: now, until: end)
    }

    /// Counts a repeated hit as a lookup. `false`: its answer may have changed.
    package mutating func repeats(_ hit: Hit, at now: WallTime) -> Bool {
        hit.validity.contains(now) && entries.use(hit.handle) { $0.noteLookup(at: now) } != nil
    }

    /// Postfix looks the domain up.
    package mutating func lookup(_ domain: PolicyDomain, at now: WallTime) -> CacheResult<CacheLookup> {
        handle { $0.answerOrStart(domain, at: now) }
    }

    private mutating func answerOrStart(_ domain: PolicyDomain, at now: WallTime) -> CacheLookup {
        guard var entry = entries.use(domain) else {
            let first: FlightPlan.Step = isComplete ? .queryRecord : .readStore
            return start(first, of: domain, entry: CacheEntry(lastLookupAt: now), known: nil, at: now)
        }
        entry.noteLookup(at: now)
        if note(clock: now, in: &entry, of: domain) { entries.replace(entry, for: domain) }
        if case .discovering(let flight) = entry.activity { return join(flight, entry: entry, at: now) }
        if let answer = entry.answer(at: now, pauses: settings.pauses) { return .answer(answer) }
        if case .refreshing(let flight) = entry.activity {
            store(entry, for: domain, at: now)
            flights[flight]?.isAwaited = true
            return join(flight, entry: entry, at: now)
        }
        saveIfClockBehind(entry, of: domain, at: now)
        let known = entry.status(at: now, pauses: settings.pauses)
        return start(firstStep(for: entry, at: now), of: domain, entry: entry, known: known, at: now)
    }

    /// What is known now, for a lookup that cannot wait any longer.
    package func status(of domain: PolicyDomain, at now: WallTime) -> PolicyStatus {
        entries.peek(domain)?.status(at: now, pauses: settings.pauses) ?? .unknown(.unfinished)
    }

    func firstStep(for entry: CacheEntry, at now: WallTime) -> FlightPlan.Step {
        entry.needsStoreRead ? .readStore : stepAfterStore(for: entry, at: now)
    }

    func stepAfterStore(for entry: CacheEntry, at now: WallTime) -> FlightPlan.Step {
        guard let record = entry.record, record.isFresh(at: now), case .published(let id) = record.result else {
            return .queryRecord
        }
        return .fetch(id)
    }

    private func join(_ id: FlightID, entry: CacheEntry, at now: WallTime) -> CacheLookup {
        guard let flight = flights[id], let known = entry.status(at: now, pauses: settings.pauses),
            !flight.hasNoAnswerYet
        else { return .join(id, atMost: nil) }
        return settings.remainingWait(since: flight.startedAt, at: now).map { .join(id, atMost: $0) } ?? .answer(known)
    }

    private mutating func start(
        _ step: FlightPlan.Step, of domain: PolicyDomain, entry: CacheEntry, known: PolicyStatus?, at now: WallTime
    ) -> CacheLookup {
        let hasNoAnswerYet = !Self.isAnswer(known)
        let id = begin(Flight(domain: domain, startedAt: now, hasNoAnswerYet: hasNoAnswerYet, origin: .lookup))
        var entry = entry
        entry.activity = .discovering(id)
        store(entry, for: domain, at: now)
        let plan = FlightPlan(id: id, domain: domain, step: step, delay: delay(before: step, entry: entry, at: now))
        return .start(plan, atMost: hasNoAnswerYet ? nil : settings.maximumWait)
    }

    mutating func begin(_ flight: Flight) -> FlightID {
        lastFlight += 1
        let id = FlightID(number: lastFlight)
        flights[id] = flight
        return id
    }

    /// Whether a lookup can be answered with this after a short wait: with a policy that applies, or a remembered failure.
    /// An outdated "no policy" is not enough: mail would be sent in clear despite a policy that was published since.
    static func isAnswer(_ known: PolicyStatus?) -> Bool {
        switch known {
        case .policy, .unknown(.policy): true
        case .noPolicy, .unknown(.record), .unknown(.local), .unknown(.unfinished), nil: false
        }
    }

    func delay(before step: FlightPlan.Step, entry: CacheEntry, at now: WallTime) -> Duration {
        guard case .fetch = step, let last = entry.lastFetch, now.isWithin(settings.fetchInterval, of: last) else {
            return .zero
        }
        return settings.fetchInterval - (now - last)
    }

    /// Stores what a lookup or its flight knows now.
    mutating func store(_ entry: CacheEntry, for domain: PolicyDomain, at now: WallTime) {
        // A domain with a flight is never evicted: lookups wait for it.
        let priority = entry.flight == nil ? entry.priority(at: now) : nil
        for (domain, entry, slot) in entries.store(entry, for: domain, priority: priority) {
            evicted(entry, of: domain, from: slot)
        }
    }
}

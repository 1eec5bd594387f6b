import Discovery
import MTASTS
import PolicyCaching
import TextFormats

/// The state of `PolicyService`, behind its mutex.
struct ServiceState {
    var cache: PolicyCache
    var daneCache: DANECache
    var overrides = OverrideStore()
    var decisions: DecisionSettings { didSet { revision &+= 1 } }
    /// Whether DANE is looked up. It changes at run time, when DNSSEC validation fails or works again.
    var usesDANE = false { didSet { revision &+= 1 } }
    /// How often the settings of decisions were changed.
    private(set) var revision: UInt64 = 0
    /// Grows with each change of what decisions depend on beside the two caches.
    var decisionRevision: UInt64 { revision &+ UInt64(overrides.changeCount) }
    /// Paused until the overrides are loaded.
    var waiters: WaiterTable
    /// The number of lookups that observe mode answered at once while a discovery runs. Its end reports what Postfix would
    /// have received.
    var observed: [Destination: Int] = [:]
    /// Commands that wait for a refresh.
    var refreshWaiters: [PolicyDomain: [CheckedContinuation<RefreshResult, Never>]] = [:]
    /// The store is a new file that lacks what memory has.
    var mustRewriteStore = false
    /// The other processes that use the store.
    var otherProcesses = SharedStore()
    /// No discovery starts any more.
    var hasEnded = false
    /// The last count of the cache, or the count in progress.
    var counting: Counting?
    /// Changes for the store.
    var changes: [StoreChange] = []
    /// Events for the log.
    var events: [DomainEvents] = []

    /// Handles an event of the cache and collects its store changes and log events.
    mutating func handle<Answer>(_ event: (inout PolicyCache) -> CacheResult<Answer>) -> Answer {
        let result = event(&cache)
        changes += result.storeChanges
        events += result.events
        return result.answer
    }

    mutating func takeChanges() -> [StoreChange] {
        guard !changes.isEmpty else { return [] }
        defer { changes = [] }
        return changes
    }

    mutating func takeEvents() -> [DomainEvents] {
        defer { events = [] }
        return events
    }

    // MARK: Answers

    var observeMode: ObserveMode { ObserveMode(isConfigured: decisions.observes, change: overrides.observe) }

    func input(
        policy: PolicyStatus, dane: DANEStatus, for destination: Destination, at now: WallTime
    ) -> DecisionInput {
        DecisionInput(
            status: policy, dane: dane, override: OverrideEffect(overrides.override(of: destination.domain, at: now)),
            isObserving: decisions.observes || overrides.observe?.isOn == true, settings: decisions)
    }

    /// The input of a decision if nothing has to be looked up.
    mutating func hit(_ destination: Destination, at now: WallTime) -> DecisionInput? {
        guard !waiters.isPaused, let policy = cache.answer(to: destination.domain, at: now) else { return nil }
        guard usesDANE else { return input(policy: policy, dane: .off, for: destination, at: now) }
        guard let dane = daneCache.answer(to: destination, at: now) else { return nil }
        return input(policy: policy, dane: dane, for: destination, at: now)
    }

    /// The hit that `hit` has just had, to be repeated; `nil`: it cannot be repeated.
    func repeatableHit(_ destination: Destination, input: DecisionInput, at now: WallTime) -> PolicyService.Hit? {
        // An override may end, and observe mode reports each lookup.
        guard input.override == .none, !input.isObserving,
            let policy = cache.repeatableHit(of: destination.domain, at: now)
        else { return nil }
        guard usesDANE else {
            return PolicyService.Hit(destination: destination, policy: policy, dane: nil, revision: decisionRevision)
        }
        return daneCache.repeatableHit(of: destination, at: now).map {
            PolicyService.Hit(destination: destination, policy: policy, dane: $0, revision: decisionRevision)
        }
    }

    /// Counts a repeated hit as a lookup. `false`: its answer may have changed.
    mutating func repeats(_ hit: PolicyService.Hit, at now: WallTime) -> Bool {
        guard hit.revision == decisionRevision, !waiters.isPaused else { return false }
        if let dane = hit.dane, !daneCache.repeats(dane, at: now) { return false }
        return cache.repeats(hit.policy, at: now)
    }

    /// What the end of a flight means for commands that wait for a refresh.
    enum RefreshStep {
        case none
        case finished([CheckedContinuation<RefreshResult, Never>], RefreshResult)
        /// The refresh starts now; another flight was in progress before.
        case started(FlightPlan)
    }

    /// - Parameter result: the result of a refresh by the operator; `nil` for another flight.
    mutating func afterFlight(of domain: PolicyDomain, result: RefreshResult?, at now: WallTime) -> RefreshStep {
        guard refreshWaiters[domain] != nil else { return .none }
        if let result { return .finished(refreshWaiters.removeValue(forKey: domain) ?? [], result) }
        return handle { $0.forceRefresh(domain, at: now) }.map { .started($0) } ?? .none
    }

    /// The answer for a waiting lookup.
    struct Answer {
        let waiting: WaiterTable.Waiting
        let input: DecisionInput
        /// The number of lookups that observe mode answered before.
        let observed: Int
    }

    mutating func answers(_ complete: [WaiterTable.Waiting], at now: WallTime) -> [Answer] {
        complete.compactMap { waiting in
            guard let policy = waiting.policy, let dane = waiting.dane else { return nil }
            let observed = waiting.onDecision == nil ? observed.removeValue(forKey: waiting.destination) : nil
            let input = input(policy: policy, dane: dane, for: waiting.destination, at: now)
            return Answer(waiting: waiting, input: input, observed: observed ?? 1)
        }
    }
}

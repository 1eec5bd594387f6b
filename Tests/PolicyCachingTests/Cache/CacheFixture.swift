import Discovery
import MTASTS
import PolicyCaching
import TestSupport
import TextFormats

/// A cache with one domain and a clock that the test sets.
struct CacheFixture {
    var cache: RecordedCache
    let domain: PolicyDomain
    let clock = ManualTime()

    init(settings: CacheSettings = CacheSettings(), isPersistent: Bool = false) throws {
        cache = RecordedCache(settings: settings, isPersistent: isPersistent, seed: 1)
        domain = try TestSupport.domain("example.com")
    }

    mutating func ask() -> CacheLookup { cache.lookup(domain, at: clock.now) }

    /// A lookup that has to start a discovery.
    mutating func start() throws -> FlightPlan {
        guard case .start(let plan, _) = ask() else { throw UnexpectedError(what: "no flight was started") }
        return plan
    }

    mutating func receive(_ plan: FlightPlan, record result: RecordResult, timeToLive: UInt32 = 300) -> NextStep {
        cache.recordReceived(RecordReport(result: result, timeToLive: timeToLive), in: plan.id, at: clock.now)
    }

    mutating func receive(_ plan: FlightPlan, id: String, policy result: PolicyResult) throws -> StoreChange? {
        cache.policyReceived(result, id: try recordID(id), in: plan.id, at: clock.now)
    }

    mutating func finish(_ plan: FlightPlan) throws -> FinishedFlight {
        guard let flight = cache.finish(plan.id, at: clock.now) else { throw UnexpectedError(what: "no such flight") }
        return flight
    }

    /// A whole discovery that ends with a policy.
    @discardableResult
    mutating func discover(id: String = "1", timeToLive: UInt32 = 300, policy: PolicyResult) throws -> FinishedFlight {
        let plan = try start()
        if plan.step == .queryRecord { _ = receive(plan, record: .published(try recordID(id)), timeToLive: timeToLive) }
        _ = try receive(plan, id: id, policy: policy)
        return try finish(plan)
    }

    /// A whole discovery that ends with the TXT query.
    @discardableResult
    mutating func discover(record result: RecordResult, timeToLive: UInt32 = 300) throws -> FinishedFlight {
        let plan = try start()
        guard receive(plan, record: result, timeToLive: timeToLive) == .finish else {
            throw UnexpectedError(what: "the flight wants to fetch")
        }
        return try finish(plan)
    }

    // MARK: The background

    mutating func due() -> RecordedWork { cache.due(at: clock.now) }

    /// Ends a refresh.
    @discardableResult
    mutating func refresh(_ plan: FlightPlan, result: PolicyResult) throws -> FinishedFlight {
        guard case .refresh(let id) = plan.step else { throw UnexpectedError(what: "\(plan.step) is no refresh") }
        guard cache.mayConnect(to: [try address("192.88.98.1")], in: plan.id) else {
            throw UnexpectedError(what: "may not dial")
        }
        _ = cache.policyReceived(result, id: id, in: plan.id, at: clock.now)
        return try finish(plan)
    }

    /// Lets time pass in steps of a minute until something is due. Returns the time that passed and the work.
    mutating func nextDue(within span: Duration) throws -> (after: Duration, due: RecordedWork) {
        let start = clock.now
        while clock.now < start + span {
            clock.advance(.seconds(60))
            let due = due()
            if !due.refreshes.isEmpty || !due.domainEvents.isEmpty { return (clock.now - start, due) }
        }
        throw UnexpectedError(what: "nothing is due within \(span)")
    }

    /// Lets time pass and expects that nothing is due.
    mutating func expectNothingDue(within span: Duration) throws {
        if let next = try? nextDue(within: span) { throw UnexpectedError(what: "due after \(next.after)") }
    }

    /// The next refresh.
    mutating func nextRefresh(within span: Duration) throws -> FlightPlan {
        guard let plan = try nextDue(within: span).due.refreshes.first else {
            throw UnexpectedError(what: "no refresh")
        }
        return plan
    }

    /// A new process that has loaded these rows from the store.
    mutating func restart(_ saved: [StoredPolicy]) throws {
        cache = RecordedCache(isPersistent: true, seed: 2)
        let load = cache.beginLoading()
        cache.restore(try saved.map { try LoadedPolicy($0) }, at: clock.now)
        cache.endLoading(load)
    }

    /// The status of a lookup that is answered at once.
    mutating func answer() throws -> PolicyStatus {
        guard case .answer(let status) = ask() else { throw UnexpectedError(what: "no answer at once") }
        return status
    }
}

func fetched(
    mode: String = "enforce", maxAge: Int = 604_800, mx: [String] = ["mx.example.com"]
) throws -> PolicyResult {
    let text = Array(policyText(mode: mode, mx: mx, maxAge: maxAge).utf8)
    return .policy(try STSPolicy(text))
}

extension PolicyStatus {
    var mode: STSPolicy.Mode? {
        guard case .policy(let cached) = self else { return nil }
        return cached.policy.mode
    }

    var isUnknown: Bool {
        if case .unknown = self { true } else { false }
    }
}

let serverFailure = DNSError(
    question: DNSQuestion(name: "_mta-sts.example.com", type: .txt), cause: .responseCode(2), servers: ["192.0.2.53"])

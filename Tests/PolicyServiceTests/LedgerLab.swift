import Discovery
import MTASTS
import PolicyService
import TestSupport

/// A ledger with one domain and a clock that a test moves by hand.
struct LedgerLab {
    var ledger: PolicyLedger
    let domain: PolicyDomain
    let clock = ManualTime()

    init(settings: LedgerSettings = LedgerSettings(), isArchived: Bool = false) throws {
        ledger = PolicyLedger(settings: settings, isArchived: isArchived, seed: 1)
        domain = try TestSupport.domain("example.com")
    }

    mutating func ask() -> Asked { ledger.asked(domain, at: clock.now) }

    /// Asks, and expects to be told to start a discovery.
    mutating func start() throws -> FlightPlan {
        guard case .start(let plan, _) = ask() else { throw Unexpected(what: "no flight was started") }
        return plan
    }

    mutating func land(_ plan: FlightPlan, record finding: RecordFinding, timeToLive: UInt32 = 300) -> NextStep {
        ledger.recordLanded(plan.id, RecordReport(finding: finding, timeToLive: timeToLive), at: clock.now)
    }

    mutating func land(_ plan: FlightPlan, id: String, _ finding: PolicyFinding) throws -> ArchiveChange? {
        ledger.policyLanded(plan.id, try recordID(id), finding, at: clock.now)
    }

    mutating func settle(_ plan: FlightPlan) throws -> Landing {
        guard let landing = ledger.settle(plan.id, at: clock.now) else { throw Unexpected(what: "no such flight") }
        return landing
    }

    /// A whole discovery that ends with a policy.
    @discardableResult
    mutating func learn(id: String = "1", timeToLive: UInt32 = 300, _ policy: PolicyFinding) throws -> Landing {
        let plan = try start()
        if plan.step == .record { _ = land(plan, record: .published(try recordID(id)), timeToLive: timeToLive) }
        _ = try land(plan, id: id, policy)
        return try settle(plan)
    }

    /// A whole discovery that ends with the TXT query.
    @discardableResult
    mutating func hear(_ finding: RecordFinding, timeToLive: UInt32 = 300) throws -> Landing {
        let plan = try start()
        guard land(plan, record: finding, timeToLive: timeToLive) == .settle else {
            throw Unexpected(what: "the flight wants to fetch")
        }
        return try settle(plan)
    }

    // MARK: The background

    mutating func due() -> Due { ledger.due(at: clock.now) }

    /// Ends a refresh.
    @discardableResult
    mutating func refresh(_ plan: FlightPlan, _ finding: PolicyFinding) throws -> Landing {
        guard case .refresh(let id) = plan.step else { throw Unexpected(what: "\(plan.step) is no refresh") }
        guard ledger.mayDial([try address("192.88.98.1")], in: plan.id) else { throw Unexpected(what: "may not dial") }
        _ = ledger.policyLanded(plan.id, id, finding, at: clock.now)
        return try settle(plan)
    }

    /// Lets time pass in steps of a minute until something is due; that, and the time it took.
    mutating func nextDue(within span: Duration) throws -> (after: Duration, due: Due) {
        let start = clock.now
        while clock.now < start + span {
            clock.advance(.seconds(60))
            let due = due()
            if !due.refreshes.isEmpty || !due.news.isEmpty { return (clock.now - start, due) }
        }
        throw Unexpected(what: "nothing is due within \(span)")
    }

    /// Lets that time pass and expects that nothing is due in it.
    mutating func expectNothingDue(within span: Duration) throws {
        if let next = try? nextDue(within: span) { throw Unexpected(what: "due after \(next.after)") }
    }

    /// The next refresh.
    mutating func nextRefresh(within span: Duration) throws -> FlightPlan {
        guard let plan = try nextDue(within: span).due.refreshes.first else { throw Unexpected(what: "no refresh") }
        return plan
    }

    /// A new process that has what the archive kept.
    mutating func restart(_ kept: [ArchivedPolicy]) throws {
        ledger = PolicyLedger(isArchived: true, seed: 2)
        let load = ledger.restoring()
        ledger.restore(try kept.map { try KeptPolicy($0) }, at: clock.now)
        ledger.restored(load)
    }

    /// The standing that is answered at once.
    mutating func answer() throws -> Standing {
        guard case .answer(let standing) = ask() else { throw Unexpected(what: "no answer at once") }
        return standing
    }
}

struct Unexpected: Error {
    let what: String
}

func fetched(
    mode: String = "enforce", maxAge: Int = 604_800, mx: [String] = ["mx.example.com"]
) throws -> PolicyFinding {
    let text = Array(policyText(mode: mode, mx: mx, maxAge: maxAge).utf8)
    return .policy(FetchedPolicy(policy: try STSPolicy(text), text: text))
}

extension Standing {
    var mode: STSPolicy.Mode? {
        guard case .policy(let held) = self else { return nil }
        return held.policy.mode
    }

    var isUnknown: Bool {
        if case .unknown = self { true } else { false }
    }
}

let serverFailure = DNSFailure(
    question: DNSQuestion(name: "_mta-sts.example.com", type: .txt), cause: .responseCode(2), servers: ["192.0.2.53"])

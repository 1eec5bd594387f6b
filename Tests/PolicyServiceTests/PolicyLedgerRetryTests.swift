import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// The five minutes after a failed fetch (RFC 8461 §3.3), counted per id.
@Suite struct PolicyLedgerRetryTests {
    private static let failure = PolicyFinding.failed(.fetch(.http(.status(500))))

    @Test func `STS-3.3-j the same id is not fetched again at 4:59, and is at 5:00`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 3_600, Self.failure)
        lab.clock.advance(.seconds(299))
        #expect(try lab.answer().isUnknown)
        lab.clock.advance(.seconds(1))
        #expect(try lab.start().step == .policy(try recordID("1")))
    }

    @Test func `STS-3.3-j a new id is fetched at once`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 60, Self.failure)
        lab.clock.advance(.seconds(60))
        let plan = try lab.start()
        #expect(lab.land(plan, record: .published(try recordID("2"))) == .fetch(try recordID("2"), delay: .zero))
    }

    /// Lets the record's minute pass and asks again, which finds this id published.
    private func hear(_ id: String, _ lab: inout LedgerLab) throws -> (plan: FlightPlan, next: NextStep) {
        lab.clock.advance(.seconds(60))
        let plan = try lab.start()
        return (plan, lab.land(plan, record: .published(try recordID(id)), timeToLive: 60))
    }

    @Test func `STS-3.3-j ids that alternate are each fetched once in five minutes`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 60, Self.failure)
        var fetches = 1
        // Four name servers, each with an id of its own, over 20 minutes.
        for minute in 1..<20 {
            let id = "\(minute % 4 + 1)"
            let (plan, next) = try hear(id, &lab)
            if next == .fetch(try recordID(id), delay: .zero) {
                fetches += 1
                _ = try lab.land(plan, id: id, Self.failure)
            }
            #expect(try lab.settle(plan).standing.isUnknown)
        }
        #expect(fetches == 12)
    }

    @Test func `only the last four ids are remembered`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 60, Self.failure)
        for id in ["2", "3", "4"] {
            let (plan, _) = try hear(id, &lab)
            _ = try lab.land(plan, id: id, Self.failure)
            _ = try lab.settle(plan)
        }
        let (fourth, barred) = try hear("1", &lab)
        #expect(barred == .settle)
        // What is answered is why this id has no policy.
        #expect(try lab.settle(fourth).standing == .unknown(.policy(.fetch(.http(.status(500))))))
    }

    @Test func `the same id heard again within the five minutes does not fetch`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 60, Self.failure)
        lab.clock.advance(.seconds(60))
        guard case .start(let plan, .some(.seconds(2))) = lab.ask() else {
            Issue.record("the remembered failure is an answer at hand")
            return
        }
        #expect(lab.land(plan, record: .published(try recordID("1")), timeToLive: 60) == .settle)
        #expect(try lab.settle(plan).standing.isUnknown)
    }

    @Test func `after a failed fetch for a new id the held policy applies, and each retry waits two seconds at most`()
        throws
    {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 3_600, fetched())
        lab.clock.advance(.seconds(3_600))
        #expect(try lab.learn(id: "2", timeToLive: 3_600, Self.failure).standing.mode == .enforce)
        #expect(try lab.answer().mode == .enforce)
        lab.clock.advance(.seconds(300))
        guard case .start(let plan, .some(.seconds(2))) = lab.ask() else {
            Issue.record("no bounded retry")
            return
        }
        #expect(plan.step == .policy(try recordID("2")))
        _ = try lab.land(plan, id: "2", fetched(mx: ["new.example.com"]))
        let landing = try lab.settle(plan)
        #expect(landing.news.changes.contains(.fetchRecovered))
        #expect(try lab.answer() == landing.standing)
    }

    @Test func `STS-3.2-p max_age 0 answers its own fetch, replaces what is held and is not kept`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 300, fetched())
        lab.clock.advance(.seconds(300))
        let plan = try lab.start()
        _ = lab.land(plan, record: .published(try recordID("2")))
        #expect(try lab.land(plan, id: "2", fetched(maxAge: 0)) == .remove(lab.domain))
        #expect(try lab.settle(plan).standing.mode == .enforce)
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now) == .unknown(.unfinished))
    }

    @Test func `max_age 0 is fetched at most once a second`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 300, fetched(maxAge: 0))
        lab.clock.advance(.milliseconds(400))
        let plan = try lab.start()
        #expect(plan.step == .policy(try recordID("1")))
        #expect(plan.delay == .milliseconds(600))
    }

    @Test func `a policy that lives for a second is fetched by the first lookup after its end`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 300, fetched(maxAge: 1))
        lab.clock.advance(.milliseconds(999))
        #expect(try lab.answer().mode == .enforce)
        lab.clock.advance(.milliseconds(1))
        let plan = try lab.start()
        #expect(plan.step == .policy(try recordID("1")))
        #expect(plan.delay == .zero)
    }

    @Test func `a clock set back by years keeps the policy and fetches it again at once`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 300, fetched())
        lab.clock.advance(.seconds(-5 * 365 * 86_400))
        guard case .start(let plan, .some(.seconds(2))) = lab.ask() else {
            Issue.record("no bounded flight")
            return
        }
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
        let id = try recordID("1")
        #expect(lab.land(plan, record: .published(id)) == .fetch(id, delay: .zero))
        _ = try lab.land(plan, id: "1", fetched())
        #expect(try lab.settle(plan).standing.mode == .enforce)
        #expect(try lab.answer().mode == .enforce)
    }

    @Test func `a clock that jumps ahead beyond a life and comes back loses nothing`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 300, fetched(maxAge: 86_400))
        lab.clock.advance(.seconds(10 * 365 * 86_400))
        #expect(try lab.hear(.failed(serverFailure)).standing.isUnknown)
        lab.clock.advance(.seconds(-10 * 365 * 86_400))
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
    }
}

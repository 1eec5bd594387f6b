import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

@Suite struct PolicyLedgerTests {
    @Test func `the first lookup starts with the TXT query and waits as long as it may`() throws {
        var lab = try LedgerLab()
        guard case .start(let plan, nil) = lab.ask() else {
            Issue.record("no flight without a limit")
            return
        }
        #expect(plan.step == .record)
        #expect(plan.domain == lab.domain)
        #expect(plan.delay == .zero)
    }

    @Test func `lookups during a discovery join it: one flight a domain`() throws {
        var lab = try LedgerLab()
        let plan = try lab.start()
        for _ in 1...1_000 { #expect(lab.ask() == .join(plan.id, atMost: nil)) }
        #expect(lab.ledger.flightCount == 1)
    }

    @Test func `a flight covers fetch and store: until it is settled nobody hears of the policy`() throws {
        var lab = try LedgerLab()
        let plan = try lab.start()
        _ = lab.land(plan, record: .published(try recordID("1")))
        let change = try lab.land(plan, id: "1", fetched())
        guard case .keep(let kept)? = change else {
            Issue.record("nothing to store")
            return
        }
        #expect(kept.fetchedAt == lab.clock.now)
        #expect(lab.ask() == .join(plan.id, atMost: nil))
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now) == .unknown(.unfinished))
        #expect(try lab.settle(plan).standing.mode == .enforce)
        #expect(try lab.answer().mode == .enforce)
    }

    @Test func `STS-5.1-a a held policy whose record is fresh is answered at once`() throws {
        var lab = try LedgerLab()
        try lab.learn(timeToLive: 300, fetched())
        lab.clock.advance(.seconds(299))
        #expect(try lab.answer().mode == .enforce)
        #expect(lab.ledger.flightCount == 0)
    }

    @Test
    func
        `STS-8.1-a STS-5-f when the record's TTL has run out the next lookup asks again and waits two seconds at most`()
        throws
    {
        var lab = try LedgerLab()
        try lab.learn(timeToLive: 300, fetched())
        lab.clock.advance(.seconds(300))
        guard case .start(let plan, .some(let patience)) = lab.ask() else {
            Issue.record("no bounded flight")
            return
        }
        #expect(plan.step == .record)
        #expect(patience == .seconds(2))
    }

    @Test func `whoever joins late waits for the rest of the two seconds only, then not at all`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        lab.clock.advance(.seconds(300))
        let plan = try lab.start()
        lab.clock.advance(.milliseconds(1_500))
        #expect(lab.ask() == .join(plan.id, atMost: .milliseconds(500)))
        lab.clock.advance(.milliseconds(500))
        #expect(try lab.answer().mode == .enforce)
    }

    @Test func `STS-3.2-ab STS-5.1-c an unchanged id confirms the record and does not prolong the policy's life`()
        throws
    {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 3_600, fetched(maxAge: 5_000))
        lab.clock.advance(.seconds(3_600))
        #expect(try lab.hear(.published(try recordID("1")), timeToLive: 3_600).standing.mode == .enforce)
        lab.clock.advance(.milliseconds(1_399_999))
        #expect(try lab.answer().mode == .enforce)
        lab.clock.advance(.milliseconds(1))
        #expect(try lab.start().step == .policy(try recordID("1")))
    }

    @Test func `STS-3.1-u STS-5.1-b another id, higher or lower, is fetched at once and replaces the policy`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "9", fetched())
        lab.clock.advance(.seconds(300))
        let plan = try lab.start()
        #expect(lab.land(plan, record: .published(try recordID("1"))) == .fetch(try recordID("1"), delay: .zero))
        _ = try lab.land(plan, id: "1", fetched(mode: "none"))
        #expect(try lab.settle(plan).standing.mode == STSPolicy.Mode.none)
        #expect(try lab.answer().mode == STSPolicy.Mode.none)
    }

    @Test(arguments: ["testing", "none"])
    func `STS-5-c STS-5.1-d STS-10.3-a a weaker policy replaces an enforced one at once`(mode: String) throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", fetched())
        lab.clock.advance(.seconds(300))
        try lab.learn(id: "2", fetched(mode: mode))
        #expect(try lab.answer().mode?.rawValue == mode)
    }

    @Test(arguments: [RecordAbsence.nameError, .noData, .noCandidate, .several(2)])
    func `STS-3.1-t STS-8.3-b a held policy outlives its record, until its own end`(absence: RecordAbsence) throws {
        var lab = try LedgerLab()
        try lab.learn(timeToLive: 300, fetched(maxAge: 86_400))
        lab.clock.advance(.seconds(300))
        #expect(try lab.hear(.absent(absence), timeToLive: 3_600).standing.mode == .enforce)
        lab.clock.advance(.seconds(3_000))
        #expect(try lab.answer().mode == .enforce)
        lab.clock.advance(.seconds(83_100))
        try lab.hear(.absent(absence))
        #expect(try lab.answer() == .noPolicy(absence))
    }

    @Test func `STS-3.3-n a held policy is applied while DNS fails, and the failure counts as fresh for min-ttl`()
        throws
    {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        lab.clock.advance(.seconds(300))
        #expect(try lab.hear(.failed(serverFailure)).standing.mode == .enforce)
        lab.clock.advance(.seconds(59))
        #expect(try lab.answer().mode == .enforce)
        lab.clock.advance(.seconds(1))
        #expect(try lab.start().step == .record)
    }

    @Test func `STS-3.3-o a policy that does not parse replaces nothing`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", fetched())
        lab.clock.advance(.seconds(300))
        let invalid = try #require(throws: PolicyError.self) { try STSPolicy(Array("version: STSv1".utf8)) }
        let landing = try lab.learn(id: "2", .failed(.invalid(invalid)))
        #expect(landing.standing.mode == .enforce)
        #expect(try lab.answer().mode == .enforce)
    }

    @Test func `STS-3.3-m a valid record without a policy, and nothing held, is unknown, not absent`() throws {
        var lab = try LedgerLab()
        let landing = try lab.learn(.failed(.hostWithoutAddress))
        #expect(landing.standing == .unknown(.policy(.hostWithoutAddress)))
        #expect(try lab.answer() == .unknown(.policy(.hostWithoutAddress)))
    }

    @Test func `an unanswered TXT query is remembered for min-ttl as unknown`() throws {
        var lab = try LedgerLab()
        try lab.hear(.failed(serverFailure))
        lab.clock.advance(.seconds(59))
        #expect(try lab.answer() == .unknown(.record(serverFailure)))
        lab.clock.advance(.seconds(1))
        #expect(try lab.start().step == .record)
    }

    @Test func `STS-3.1-x no policy is remembered for the negative answer's TTL, then asked again with full patience`()
        throws
    {
        var lab = try LedgerLab()
        try lab.hear(.absent(.nameError), timeToLive: 120)
        lab.clock.advance(.seconds(119))
        #expect(try lab.answer() == .noPolicy(.nameError))
        lab.clock.advance(.seconds(1))
        guard case .start(_, nil) = lab.ask() else {
            Issue.record("a policy published meanwhile would be passed by")
            return
        }
    }

    @Test(arguments: [(ttl: UInt32(0), lives: 60), (5, 60), (60, 60), (61, 61), (3_600, 3_600), (604_800, 3_600)])
    func `TTLs are clamped between min-ttl and max-ttl`(ttl: UInt32, lives: Int) throws {
        var lab = try LedgerLab()
        try lab.hear(.absent(.noData), timeToLive: ttl)
        lab.clock.advance(.seconds(lives) - .milliseconds(1))
        #expect(try lab.answer() == .noPolicy(.noData))
        lab.clock.advance(.milliseconds(1))
        #expect(try lab.start().step == .record)
    }

    @Test func `a lookup that read the clock just before the landing, or a clock set back a little, fetches nothing`()
        throws
    {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        lab.clock.advance(.milliseconds(-1))
        #expect(try lab.answer().mode == .enforce)
        lab.clock.advance(.seconds(-4))
        #expect(try lab.answer().mode == .enforce)
    }

    @Test func `domains know nothing of each other`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        guard case .start(let plan, _) = lab.ledger.asked(try domain("sub.example.com"), at: lab.clock.now) else {
            Issue.record("a parent's policy was used")
            return
        }
        #expect(plan.domain.name.text == "sub.example.com")
    }
}

import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport

@Suite struct PolicyCacheTests {
    @Test func `the first lookup starts with the TXT query and waits as long as it may`() throws {
        var fixture = try CacheFixture()
        guard case .start(let plan, nil) = fixture.ask() else {
            Issue.record("no flight without a limit")
            return
        }
        #expect(plan.step == .queryRecord)
        #expect(plan.domain == fixture.domain)
        #expect(plan.delay == .zero)
    }

    @Test func `lookups during a discovery join it: one flight for each domain`() throws {
        var fixture = try CacheFixture()
        let plan = try fixture.start()
        for _ in 1...1_000 { #expect(fixture.ask() == .join(plan.id, atMost: nil)) }
        #expect(fixture.cache.flightCount == 1)
    }

    @Test func `a flight covers fetch and store: no lookup gets the policy before it is finished`() throws {
        var fixture = try CacheFixture()
        let plan = try fixture.start()
        _ = fixture.receive(plan, record: .published(try recordID("1")))
        let change = try fixture.receive(plan, id: "1", policy: fetched())
        guard case .savePolicy(let saved)? = change else {
            Issue.record("nothing to store")
            return
        }
        #expect(saved.fetchedAt == fixture.clock.now)
        #expect(fixture.ask() == .join(plan.id, atMost: nil))
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now) == .unknown(.unfinished))
        #expect(try fixture.finish(plan).status.mode == .enforce)
        #expect(try fixture.answer().mode == .enforce)
    }

    @Test func `STS-5.1-a a cached policy whose record is fresh is answered at once`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(timeToLive: 300, policy: fetched())
        fixture.clock.advance(.seconds(299))
        #expect(try fixture.answer().mode == .enforce)
        #expect(fixture.cache.flightCount == 0)
    }

    @Test
    func
        `STS-8.1-a STS-5-f after the record's TTL the next lookup queries again and waits two seconds at most`()
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(timeToLive: 300, policy: fetched())
        fixture.clock.advance(.seconds(300))
        guard case .start(let plan, .some(let maximumWait)) = fixture.ask() else {
            Issue.record("no bounded flight")
            return
        }
        #expect(plan.step == .queryRecord)
        #expect(maximumWait == .seconds(2))
    }

    @Test func `a lookup that joins late waits only for the rest of the two seconds, then not at all`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        fixture.clock.advance(.seconds(300))
        let plan = try fixture.start()
        fixture.clock.advance(.milliseconds(1_500))
        #expect(fixture.ask() == .join(plan.id, atMost: .milliseconds(500)))
        fixture.clock.advance(.milliseconds(500))
        #expect(try fixture.answer().mode == .enforce)
    }

    @Test func `STS-3.2-ab STS-5.1-c an unchanged id confirms the record and does not prolong the policy's lifetime`()
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 3_600, policy: fetched(maxAge: 5_000))
        fixture.clock.advance(.seconds(3_600))
        #expect(try fixture.discover(record: .published(try recordID("1")), timeToLive: 3_600).status.mode == .enforce)
        fixture.clock.advance(.milliseconds(1_399_999))
        #expect(try fixture.answer().mode == .enforce)
        fixture.clock.advance(.milliseconds(1))
        #expect(try fixture.start().step == .fetch(try recordID("1")))
    }

    @Test func `STS-3.1-u STS-5.1-b another id, higher or lower, is fetched at once and replaces the policy`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "9", policy: fetched())
        fixture.clock.advance(.seconds(300))
        let plan = try fixture.start()
        #expect(fixture.receive(plan, record: .published(try recordID("1"))) == .fetch(try recordID("1"), delay: .zero))
        _ = try fixture.receive(plan, id: "1", policy: fetched(mode: "none"))
        #expect(try fixture.finish(plan).status.mode == STSPolicy.Mode.none)
        #expect(try fixture.answer().mode == STSPolicy.Mode.none)
    }

    @Test(arguments: ["testing", "none"])
    func `STS-5-c STS-5.1-d STS-10.3-a a weaker policy replaces an enforced one at once`(mode: String) throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", policy: fetched())
        fixture.clock.advance(.seconds(300))
        try fixture.discover(id: "2", policy: fetched(mode: mode))
        #expect(try fixture.answer().mode?.rawValue == mode)
    }

    @Test(arguments: [RecordAbsence.nameError, .noData, .noCandidate, .several(2)])
    func `STS-3.1-t STS-8.3-b a cached policy applies without its record until it expires`(absence: RecordAbsence)
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(timeToLive: 300, policy: fetched(maxAge: 86_400))
        fixture.clock.advance(.seconds(300))
        #expect(try fixture.discover(record: .absent(absence), timeToLive: 3_600).status.mode == .enforce)
        fixture.clock.advance(.seconds(3_000))
        #expect(try fixture.answer().mode == .enforce)
        fixture.clock.advance(.seconds(83_100))
        try fixture.discover(record: .absent(absence))
        #expect(try fixture.answer() == .noPolicy(absence))
    }

    @Test func `STS-3.3-n a cached policy is applied while DNS fails, and the failure counts as fresh for min-ttl`()
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        fixture.clock.advance(.seconds(300))
        #expect(try fixture.discover(record: .failed(serverFailure)).status.mode == .enforce)
        fixture.clock.advance(.seconds(59))
        #expect(try fixture.answer().mode == .enforce)
        fixture.clock.advance(.seconds(1))
        #expect(try fixture.start().step == .queryRecord)
    }

    @Test func `STS-3.3-o a policy that does not parse replaces nothing`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", policy: fetched())
        fixture.clock.advance(.seconds(300))
        let invalid = try #require(throws: PolicyError.self) { try STSPolicy(Array("version: STSv1".utf8)) }
        let outcome = try fixture.discover(id: "2", policy: .failed(.invalid(invalid)))
        #expect(outcome.status.mode == .enforce)
        #expect(try fixture.answer().mode == .enforce)
    }

    @Test func `STS-3.3-m a valid record without a policy, and nothing cached, is unknown, not absent`() throws {
        var fixture = try CacheFixture()
        let outcome = try fixture.discover(policy: .failed(.hostWithoutAddress))
        #expect(outcome.status == .unknown(.policy(.hostWithoutAddress)))
        #expect(try fixture.answer() == .unknown(.policy(.hostWithoutAddress)))
    }

    @Test func `a failed TXT query is cached for min-ttl as unknown`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(record: .failed(serverFailure))
        fixture.clock.advance(.seconds(59))
        #expect(try fixture.answer() == .unknown(.record(serverFailure)))
        fixture.clock.advance(.seconds(1))
        #expect(try fixture.start().step == .queryRecord)
    }

    @Test
    func
        `STS-3.1-x no policy is cached for the negative answer's TTL, then the query is repeated, and lookups wait as long as they may`()
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(record: .absent(.nameError), timeToLive: 120)
        fixture.clock.advance(.seconds(119))
        #expect(try fixture.answer() == .noPolicy(.nameError))
        fixture.clock.advance(.seconds(1))
        guard case .start(_, nil) = fixture.ask() else {
            Issue.record("a policy published meanwhile would be passed by")
            return
        }
    }

    @Test(arguments: [(ttl: UInt32(0), lives: 60), (5, 60), (60, 60), (61, 61), (3_600, 3_600), (604_800, 3_600)])
    func `TTLs are clamped between min-ttl and max-ttl`(ttl: UInt32, lives: Int) throws {
        var fixture = try CacheFixture()
        try fixture.discover(record: .absent(.noData), timeToLive: ttl)
        fixture.clock.advance(.seconds(lives) - .milliseconds(1))
        #expect(try fixture.answer() == .noPolicy(.noData))
        fixture.clock.advance(.milliseconds(1))
        #expect(try fixture.start().step == .queryRecord)
    }

    @Test func `a lookup that read the clock just before the result, or a clock set back a little, fetches nothing`()
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        fixture.clock.advance(.milliseconds(-1))
        #expect(try fixture.answer().mode == .enforce)
        fixture.clock.advance(.seconds(-4))
        #expect(try fixture.answer().mode == .enforce)
    }

    @Test func `domains are independent of each other`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        guard case .start(let plan, _) = fixture.cache.lookup(try domain("sub.example.com"), at: fixture.clock.now)
        else {
            Issue.record("a parent's policy was used")
            return
        }
        #expect(plan.domain.name.text == "sub.example.com")
    }

    @Test func `new TTL limits count for new answers`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(record: .absent(.nameError), timeToLive: 300)
        fixture.cache.update(settings: CacheSettings(maximumTTL: .seconds(10)))
        fixture.clock.advance(.seconds(200))
        _ = try fixture.answer()
        fixture.clock.advance(.seconds(200))
        try fixture.discover(record: .absent(.nameError), timeToLive: 300)
        fixture.clock.advance(.seconds(11))
        #expect(try fixture.start().step == .queryRecord)
    }
}

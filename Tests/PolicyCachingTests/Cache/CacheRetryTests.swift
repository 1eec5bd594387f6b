import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport

/// The five minutes after a failed fetch (RFC 8461 §3.3), for each id.
@Suite struct CacheRetryTests {
    private static let failure = PolicyResult.failed(.fetch(.http(.status(500))))

    @Test func `STS-3.3-j the same id is not fetched again at 4:59, and is at 5:00`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 3_600, policy: Self.failure)
        fixture.clock.advance(.seconds(299))
        #expect(try fixture.answer().isUnknown)
        fixture.clock.advance(.seconds(1))
        #expect(try fixture.start().step == .fetch(try recordID("1")))
    }

    @Test func `STS-3.3-j a new id is fetched at once`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 60, policy: Self.failure)
        fixture.clock.advance(.seconds(60))
        let plan = try fixture.start()
        #expect(fixture.receive(plan, record: .published(try recordID("2"))) == .fetch(try recordID("2"), delay: .zero))
    }

    /// Lets the record's minute pass, and a lookup finds this id published.
    private func receive(_ id: String, in fixture: inout CacheFixture) throws -> (plan: FlightPlan, next: NextStep) {
        fixture.clock.advance(.seconds(60))
        let plan = try fixture.start()
        return (plan, fixture.receive(plan, record: .published(try recordID(id)), timeToLive: 60))
    }

    @Test func `STS-3.3-j ids that alternate are each fetched once in five minutes`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 60, policy: Self.failure)
        var fetches = 1
        // Four name servers, each with its own id, for 20 minutes.
        for minute in 1..<20 {
            let id = "\(minute % 4 + 1)"
            let (plan, next) = try receive(id, in: &fixture)
            if next == .fetch(try recordID(id), delay: .zero) {
                fetches += 1
                _ = try fixture.receive(plan, id: id, policy: Self.failure)
            }
            #expect(try fixture.finish(plan).status.isUnknown)
        }
        #expect(fetches == 12)
    }

    @Test func `only the failures of the last four ids are cached`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 60, policy: Self.failure)
        for id in ["2", "3", "4"] {
            let (plan, _) = try receive(id, in: &fixture)
            _ = try fixture.receive(plan, id: id, policy: Self.failure)
            _ = try fixture.finish(plan)
        }
        let (fourth, barred) = try receive("1", in: &fixture)
        #expect(barred == .finish)
        // The answer is why this id has no policy.
        #expect(try fixture.finish(fourth).status == .unknown(.policy(.fetch(.http(.status(500))))))
    }

    @Test func `the same id received again within the five minutes does not fetch`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 60, policy: Self.failure)
        fixture.clock.advance(.seconds(60))
        guard case .start(let plan, .some(.seconds(2))) = fixture.ask() else {
            Issue.record("the cached failure is an answer")
            return
        }
        #expect(fixture.receive(plan, record: .published(try recordID("1")), timeToLive: 60) == .finish)
        #expect(try fixture.finish(plan).status.isUnknown)
    }

    @Test func `after a failed fetch for a new id the cached policy applies, and each retry waits two seconds at most`()
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 3_600, policy: fetched())
        fixture.clock.advance(.seconds(3_600))
        #expect(try fixture.discover(id: "2", timeToLive: 3_600, policy: Self.failure).status.mode == .enforce)
        #expect(try fixture.answer().mode == .enforce)
        fixture.clock.advance(.seconds(300))
        guard case .start(let plan, .some(.seconds(2))) = fixture.ask() else {
            Issue.record("no bounded retry")
            return
        }
        #expect(plan.step == .fetch(try recordID("2")))
        _ = try fixture.receive(plan, id: "2", policy: fetched(mx: ["new.example.com"]))
        let outcome = try fixture.finish(plan)
        #expect(outcome.events.contains(.fetchRecovered))
        #expect(try fixture.answer() == outcome.status)
    }

    @Test func `STS-3.2-p max_age 0 answers its own fetch, replaces the cached policy and is not cached`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 300, policy: fetched())
        fixture.clock.advance(.seconds(300))
        let plan = try fixture.start()
        _ = fixture.receive(plan, record: .published(try recordID("2")))
        #expect(try fixture.receive(plan, id: "2", policy: fetched(maxAge: 0)) == .removePolicy(fixture.domain))
        #expect(try fixture.finish(plan).status.mode == .enforce)
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now) == .unknown(.unfinished))
    }

    @Test func `max_age 0 is fetched at most once a second`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 300, policy: fetched(maxAge: 0))
        fixture.clock.advance(.milliseconds(400))
        let plan = try fixture.start()
        #expect(plan.step == .fetch(try recordID("1")))
        #expect(plan.delay == .milliseconds(600))
    }

    @Test func `a policy with a lifetime of a second is fetched by the first lookup after it`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 300, policy: fetched(maxAge: 1))
        fixture.clock.advance(.milliseconds(999))
        #expect(try fixture.answer().mode == .enforce)
        fixture.clock.advance(.milliseconds(1))
        let plan = try fixture.start()
        #expect(plan.step == .fetch(try recordID("1")))
        #expect(plan.delay == .zero)
    }

    @Test func `a clock set back by years keeps the policy and fetches it again at once`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 300, policy: fetched())
        fixture.clock.advance(.seconds(-5 * 365 * 86_400))
        guard case .start(let plan, .some(.seconds(2))) = fixture.ask() else {
            Issue.record("no bounded flight")
            return
        }
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
        let id = try recordID("1")
        #expect(fixture.receive(plan, record: .published(id)) == .fetch(id, delay: .zero))
        _ = try fixture.receive(plan, id: "1", policy: fetched())
        #expect(try fixture.finish(plan).status.mode == .enforce)
        #expect(try fixture.answer().mode == .enforce)
    }

    @Test func `a clock that jumps ahead beyond a lifetime and is set back loses nothing`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 300, policy: fetched(maxAge: 86_400))
        fixture.clock.advance(.seconds(10 * 365 * 86_400))
        #expect(try fixture.discover(record: .failed(serverFailure)).status.isUnknown)
        fixture.clock.advance(.seconds(-10 * 365 * 86_400))
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
    }
}

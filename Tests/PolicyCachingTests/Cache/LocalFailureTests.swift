import Discovery
import MTASTS
import Testing
import TestSupport

@testable import PolicyCaching

/// An error of this host proves nothing about a domain: it is cached for 2 s and is not a failed fetch.
@Suite struct LocalFailureTests {
    private static let fetches: [PolicyFetchError] = [
        .fetch(.noSlot(.noFreeSlot(within: .seconds(30)))), .fetch(.noSlot(.queueFull)),
        .fetch(.noSlot(.interrupted(within: .seconds(30)))), .fetch(.transport(.local("Too many open files"))),
        .hostLookup(noDescriptor("mta-sts.example.com", type: .a)),
    ]

    private static func noDescriptor(_ name: String, type: RecordType) -> DNSError {
        DNSError(question: DNSQuestion(name: name, type: type), cause: .local("no descriptor"), servers: [])
    }

    @Test(arguments: fetches)
    func `STS-3.3-j a fetch that failed because of this host is tried again after 2 s, not 5 minutes`(
        _ failure: PolicyFetchError
    ) throws {
        var fixture = try CacheFixture()
        let outcome = try fixture.discover(id: "1", timeToLive: 3_600, policy: .failed(failure))
        #expect(outcome.status == .unknown(.local(.policy(failure))))
        #expect(outcome.events == [.fetchFailedLocally(failure, cached: nil)])
        fixture.clock.advance(.milliseconds(1_999))
        #expect(try fixture.answer() == .unknown(.local(.policy(failure))))
        fixture.clock.advance(.milliseconds(1))
        guard case .start(let plan, nil) = fixture.ask() else {
            throw UnexpectedError(what: "not waited for as a first answer")
        }
        #expect(plan.step == .fetch(try recordID("1")))
        // An event once, until a fetch ends.
        _ = try fixture.receive(plan, id: "1", policy: .failed(failure))
        #expect(try fixture.finish(plan).events == [])
    }

    @Test(arguments: fetches) func `it is not a failed fetch: none is shown, counted or saved`(
        _ failure: PolicyFetchError
    )
        throws
    {
        var fixture = try CacheFixture(isPersistent: true)
        _ = fixture.cache.beginLoading()
        fixture.cache.endLoading(1)
        try fixture.discover(id: "1", policy: .failed(failure))
        let report = fixture.cache.report(of: fixture.domain, at: fixture.clock.now)
        #expect(report?.failure == nil)
        #expect(report?.isFailing == false)
        #expect(fixture.cache.takeChanges() == [])
        #expect(failure.category == nil)
    }

    @Test func `a cached policy still applies and is not failing`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 60, policy: fetched())
        fixture.clock.advance(.seconds(60))
        let failure = Self.fetches[0]
        let plan = try fixture.start()
        _ = fixture.receive(plan, record: .published(try recordID("2")), timeToLive: 3_600)
        _ = try fixture.receive(plan, id: "2", policy: .failed(failure))
        #expect(try fixture.finish(plan).status.mode == .enforce)
        #expect(try fixture.answer().mode == .enforce)
        #expect(fixture.cache.report(of: fixture.domain, at: fixture.clock.now)?.isFailing == false)
        fixture.clock.advance(.seconds(2))
        let next = try fixture.start()
        #expect(next.step == .fetch(try recordID("2")))
        _ = try fixture.receive(next, id: "2", policy: fetched(mx: ["new.example.com"]))
        #expect(try fixture.finish(next).events.first == .fetchRecovered)
    }

    @Test func `it does not end the pause after a failure of the policy host`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", timeToLive: 60, policy: .failed(.fetch(.http(.status(500)))))
        fixture.clock.advance(.seconds(60))
        let plan = try fixture.start()
        _ = fixture.receive(plan, record: .published(try recordID("2")), timeToLive: 3_600)
        _ = try fixture.receive(plan, id: "2", policy: .failed(Self.fetches[0]))
        _ = try fixture.finish(plan)
        let failure = try #require(fixture.cache.report(of: fixture.domain, at: fixture.clock.now)?.failure)
        #expect(failure.id == (try recordID("1")))
        #expect(failure.count == 1)
    }

    @Test func `a refresh that failed because of this host is tried again within minutes, without a longer pause`()
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(timeToLive: 300, policy: fetched(maxAge: 7_200))
        let plan = try fixture.nextRefresh(within: .seconds(7_200))
        try fixture.refresh(plan, result: .failed(Self.fetches[0]))
        let again = try fixture.nextDue(within: .seconds(600))
        #expect(again.after <= .seconds(360))
        #expect(again.due.refreshes.count == 1)
    }

    @Test func `the operator's refresh returns the error of this host`() throws {
        var fixture = try CacheFixture()
        let demanded = fixture.cache.forceRefresh(fixture.domain, at: fixture.clock.now)
        let plan = try #require(demanded)
        _ = fixture.receive(plan, record: .published(try recordID("1")))
        _ = try fixture.receive(plan, id: "1", policy: .failed(Self.fetches[1]))
        #expect(try fixture.finish(plan).refresh?.outcome == .fetchFailed(Self.fetches[1]))
    }

    @Test func `a TXT query that failed because of this host is repeated after 2 s, not 60`() throws {
        var fixture = try CacheFixture()
        let failure = Self.noDescriptor("_mta-sts.example.com", type: .txt)
        #expect(try fixture.discover(record: .failed(failure)).status == .unknown(.local(.record(failure))))
        fixture.clock.advance(.milliseconds(1_999))
        #expect(try fixture.answer() == .unknown(.local(.record(failure))))
        #expect(fixture.cache.report(of: fixture.domain, at: fixture.clock.now)?.isFailing == false)
        fixture.clock.advance(.milliseconds(1))
        guard case .start(let plan, nil) = fixture.ask() else {
            throw UnexpectedError(what: "not waited for as a first answer")
        }
        #expect(plan.step == .queryRecord)
    }

    // MARK: How urgent a fetch is

    @Test func `a fetch is a first contact, a retry after a failure, or for a cached policy`() throws {
        var fixture = try CacheFixture()
        var plan = try fixture.start()
        _ = fixture.receive(plan, record: .published(try recordID("1")), timeToLive: 60)
        #expect(fixture.cache.purpose(of: plan.id, at: fixture.clock.now) == .firstContact)
        _ = try fixture.receive(plan, id: "1", policy: .failed(Self.fetches[0]))
        _ = try fixture.finish(plan)
        fixture.clock.advance(.seconds(2))
        plan = try fixture.start()
        #expect(fixture.cache.purpose(of: plan.id, at: fixture.clock.now) == .firstContact)
        _ = try fixture.receive(plan, id: "1", policy: .failed(.fetch(.http(.status(500)))))
        _ = try fixture.finish(plan)
        fixture.clock.advance(.seconds(300))
        plan = try fixture.start()
        _ = fixture.receive(plan, record: .published(try recordID("1")), timeToLive: 60)
        #expect(fixture.cache.purpose(of: plan.id, at: fixture.clock.now) == .retry)
        _ = try fixture.receive(plan, id: "1", policy: fetched())
        _ = try fixture.finish(plan)
        fixture.clock.advance(.seconds(60))
        plan = try fixture.start()
        _ = fixture.receive(plan, record: .published(try recordID("2")))
        #expect(fixture.cache.purpose(of: plan.id, at: fixture.clock.now) == .cachedPolicy)
    }
}

import Discovery
import MTASTS
import Testing
import TestSupport
import TextFormats

@testable import PolicyCaching

/// The operator's commands `cache refresh` and `cache forget`.
@Suite struct CacheOperatorTests {
    private func forceRefresh(_ fixture: inout CacheFixture) throws -> FlightPlan {
        guard let plan = fixture.cache.forceRefresh(fixture.domain, at: fixture.clock.now) else {
            throw UnexpectedError(what: "a flight is under way")
        }
        return plan
    }

    private func result(of plan: FlightPlan, in fixture: inout CacheFixture) throws -> RefreshResult {
        guard let result = try fixture.finish(plan).refresh else { throw UnexpectedError(what: "no result") }
        return result
    }

    // MARK: Refresh

    @Test func `a refresh queries DNS and fetches although record and policy are fresh`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        fixture.clock.advance(.seconds(10))
        let plan = try forceRefresh(&fixture)
        #expect(plan.step == .queryRecord)
        #expect(fixture.receive(plan, record: .published(try recordID("1"))) == .fetch(try recordID("1"), delay: .zero))
        _ = try fixture.receive(plan, id: "1", policy: fetched())
        let result = try result(of: plan, in: &fixture)
        guard case .renewed(let cached) = result.outcome else { throw UnexpectedError(what: "\(result)") }
        #expect(cached.fetchedAt == fixture.clock.now)
        #expect(result.record == .published(try recordID("1")))
        #expect(result.status == .policy(cached))
    }

    @Test func `a refresh fetches although a fetch of the same id has just failed`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: .failed(.fetch(.http(.status(500)))))
        fixture.clock.advance(.seconds(10))
        let plan = try forceRefresh(&fixture)
        #expect(fixture.receive(plan, record: .published(try recordID("1"))) == .fetch(try recordID("1"), delay: .zero))
        _ = try fixture.receive(plan, id: "1", policy: fetched())
        let result = try result(of: plan, in: &fixture)
        guard case .changed(from: nil, to: _) = result.outcome else { throw UnexpectedError(what: "\(result)") }
    }

    @Test(arguments: [("2", ["mx.example.com"]), ("1", ["new.example.com"])])
    func `another id, or another text, is a change`(id: String, mx: [String]) throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        let plan = try forceRefresh(&fixture)
        _ = fixture.receive(plan, record: .published(try recordID(id)))
        _ = try fixture.receive(plan, id: id, policy: fetched(mx: mx))
        let result = try result(of: plan, in: &fixture)
        guard case .changed(.some, let new) = result.outcome else { throw UnexpectedError(what: "\(result)") }
        #expect(new.id.text == id)
    }

    @Test func `a domain without a record has nothing to fetch`() throws {
        var fixture = try CacheFixture()
        let plan = try forceRefresh(&fixture)
        #expect(fixture.receive(plan, record: .absent(.nameError)) == .finish)
        let result = try result(of: plan, in: &fixture)
        #expect(result.outcome == .noRecord(.nameError) && result.status == .noPolicy(.nameError))
    }

    @Test func `a failed TXT query is returned`() throws {
        var fixture = try CacheFixture()
        let plan = try forceRefresh(&fixture)
        #expect(fixture.receive(plan, record: .failed(serverFailure)) == .finish)
        let result = try result(of: plan, in: &fixture)
        #expect(result.outcome == .recordFailed(serverFailure))
    }

    @Test(arguments: [RecordResult.absent(.nameError), .failed(serverFailure)])
    func `a cached policy is fetched again whatever DNS answers`(record: RecordResult) throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        let plan = try forceRefresh(&fixture)
        fixture.clock.advance(.seconds(1))
        #expect(fixture.receive(plan, record: record) == .fetch(try recordID("1"), delay: .zero))
        _ = try fixture.receive(plan, id: "1", policy: fetched())
        let result = try result(of: plan, in: &fixture)
        guard case .renewed = result.outcome else { throw UnexpectedError(what: "\(result)") }
        #expect(result.record == record)
    }

    @Test func `a failed fetch is returned, and the cached policy still applies`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        let plan = try forceRefresh(&fixture)
        _ = fixture.receive(plan, record: .published(try recordID("2")))
        _ = try fixture.receive(plan, id: "2", policy: .failed(.hostWithoutAddress))
        let result = try result(of: plan, in: &fixture)
        #expect(result.outcome == .fetchFailed(.hostWithoutAddress))
        #expect(result.status.mode == .enforce)
    }

    @Test func `during a refresh lookups get the known answer, and without one they wait for the refresh`()
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        _ = try forceRefresh(&fixture)
        #expect(try fixture.answer().mode == .enforce)
        var fresh = try CacheFixture()
        let plan = try forceRefresh(&fresh)
        #expect(fresh.ask() == .join(plan.id, atMost: nil))
        _ = fresh.receive(plan, record: .absent(.noData))
        #expect(try fresh.finish(plan).status == .noPolicy(.noData))
    }

    @Test func `a refresh waits for a discovery in progress and joins another refresh by the operator`() throws {
        var fixture = try CacheFixture()
        let plan = try fixture.start()
        #expect(fixture.cache.forceRefresh(fixture.domain, at: fixture.clock.now) == nil)
        _ = fixture.receive(plan, record: .absent(.noData))
        #expect(try fixture.finish(plan).refresh == nil)
        _ = try forceRefresh(&fixture)
        #expect(fixture.cache.forceRefresh(fixture.domain, at: fixture.clock.now) == nil)
    }

    @Test func `for a domain that may be in the store, a refresh reads the store first and fetches too`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let plan = try forceRefresh(&fixture)
        #expect(plan.step == .readStore)
        let record = StoredPolicy.Record(id: try recordID("1"), at: fixture.clock.now, lifetime: .seconds(3_600))
        let saved = try LoadedPolicy(storedPolicy("example.com", at: fixture.clock.now, record: record))
        #expect(fixture.cache.storeRead(.policy(saved), in: plan.id, at: fixture.clock.now).next == .queryRecord)
        _ = fixture.receive(plan, record: .published(try recordID("1")))
        _ = try fixture.receive(plan, id: "1", policy: fetched())
        let result = try result(of: plan, in: &fixture)
        guard case .renewed = result.outcome else { throw UnexpectedError(what: "\(result)") }
    }

    @Test func `a refresh does not count as a use of the domain, nor in the background's budget`() throws {
        let settings = CacheSettings(refresh: RefreshSettings(maximumInFlight: 1))
        var fixture = try CacheFixture(settings: settings)
        try fixture.discover(policy: fetched())
        let asked = try #require(fixture.cache.report(of: fixture.domain, at: fixture.clock.now)).lastLookupAt
        fixture.clock.advance(.seconds(2 * 86_400))
        let plan = try forceRefresh(&fixture)
        let due = fixture.due()
        #expect(due.refreshes == [])
        _ = fixture.receive(plan, record: .published(try recordID("1")))
        _ = try fixture.receive(plan, id: "1", policy: fetched())
        _ = try fixture.finish(plan)
        #expect(fixture.cache.report(of: fixture.domain, at: fixture.clock.now)?.lastLookupAt == asked)
        let next = try fixture.nextDue(within: .seconds(86_460))
        #expect(next.due.refreshes.count == 1)
    }

    @Test func `a refresh that was cancelled because the daemon stops is unfinished`() throws {
        var fixture = try CacheFixture()
        let plan = try forceRefresh(&fixture)
        let result = try result(of: plan, in: &fixture)
        #expect(result == RefreshResult(outcome: .unfinished, record: nil, status: .unknown(.unfinished)))
    }

    @Test func `events have the origin of their flight`() throws {
        var fixture = try CacheFixture()
        #expect(try fixture.discover(policy: fetched()).origin == .lookup)
        let plan = try forceRefresh(&fixture)
        #expect(try fixture.finish(plan).origin == .admin)
        let refresh = try fixture.nextRefresh(within: .seconds(2 * 86_400))
        #expect(try fixture.refresh(refresh, result: fetched()).origin == .refresh)
    }

    // MARK: Forget

    private func forget(_ fixture: inout CacheFixture) -> (wasKnown: Bool, changes: [StoreChange]) {
        _ = fixture.cache.takeChanges()
        let wasKnown = fixture.cache.forget(fixture.domain, at: fixture.clock.now)
        return (wasKnown, fixture.cache.takeChanges())
    }

    private func persistentFixture() throws -> CacheFixture {
        var fixture = try CacheFixture(isPersistent: true)
        try fixture.restart([try storedPolicy("example.com", at: fixture.clock.now)])
        return fixture
    }

    @Test func `a forgotten domain is removed from memory and the store, and is not refreshed`() throws {
        var fixture = try persistentFixture()
        let (wasKnown, changes) = forget(&fixture)
        #expect(wasKnown)
        #expect(changes == [.removePolicy(fixture.domain)])
        #expect(fixture.cache.count == 0 && fixture.cache.refreshedCount == 0)
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now) == .unknown(.unfinished))
        let plan = try fixture.start()
        #expect(plan.step == .queryRecord)
    }

    /// In seconds from the fetch of the policy in memory. In the last row the clock was ahead at the removed fetch.
    @Test(arguments: [(0, 1, true), (60, 61, true), (-1, 1, false), (3_600, -1, false)])
    func `a removal by another process applies to that fetch and earlier ones, not to one after the removal`(
        fetchedAt: Int, removedAt: Int, applies: Bool
    ) throws {
        var fixture = try persistentFixture()
        let now = fixture.clock.now
        fixture.cache.forget(
            PolicyRemoval(
                domain: fixture.domain, fetchedAt: now + .seconds(fetchedAt), removedAt: now + .seconds(removedAt)))
        #expect(fixture.cache.count == (applies ? 0 : 1))
    }

    @Test func `a domain that is not in memory is removed from the store too`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let (wasKnown, changes) = forget(&fixture)
        #expect(!wasKnown)
        #expect(changes == [.removePolicy(fixture.domain)])
    }

    @Test func `loading does not restore a domain that was forgotten meanwhile`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let load = fixture.cache.beginLoading()
        _ = forget(&fixture)
        fixture.cache.restore(
            [try LoadedPolicy(storedPolicy("example.com", at: fixture.clock.now))], at: fixture.clock.now)
        fixture.cache.endLoading(load)
        #expect(fixture.cache.count == 0)
    }

    @Test func `reading the store does not restore a domain that was forgotten meanwhile`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let plan = try fixture.start()
        #expect(plan.step == .readStore)
        _ = forget(&fixture)
        let saved = StoreLookup.policy(try LoadedPolicy(storedPolicy("example.com", at: fixture.clock.now)))
        #expect(fixture.cache.storeRead(saved, in: plan.id, at: fixture.clock.now).next == .queryRecord)
        _ = fixture.receive(plan, record: .absent(.noData))
        #expect(try fixture.finish(plan).status == .noPolicy(.noData))
    }

    @Test func `the policy of a discovery that a lookup waits for is new, and is saved`() throws {
        var fixture = try persistentFixture()
        fixture.clock.advance(.seconds(86_400))
        let plan = try fixture.start()
        let (_, changes) = forget(&fixture)
        #expect(changes == [.removePolicy(fixture.domain)])
        #expect(fixture.ask() == .join(plan.id, atMost: nil))
        #expect(fixture.receive(plan, record: .published(try recordID("2"))) == .fetch(try recordID("2"), delay: .zero))
        let saved = try fixture.receive(plan, id: "2", policy: fetched())
        #expect(saved != nil)
        let outcome = try fixture.finish(plan)
        #expect(outcome.status.mode == .enforce)
        guard case .new = outcome.events.first else { throw UnexpectedError(what: "\(outcome.events)") }
        #expect(try fixture.answer().mode == .enforce)
        // And it may be loaded from the store again.
        #expect(fixture.cache.cache.forgotten == [])
    }

    @Test func `a policy that is on its way into the store is not removed from it`() throws {
        var fixture = try CacheFixture()
        fixture.cache = RecordedCache(isPersistent: true)
        fixture.cache.endLoading(fixture.cache.beginLoading())
        let plan = try fixture.start()
        _ = fixture.receive(plan, record: .published(try recordID("1")))
        _ = try fixture.receive(plan, id: "1", policy: fetched())
        let (_, changes) = forget(&fixture)
        #expect(changes == [])
        #expect(try fixture.finish(plan).status.mode == .enforce)
    }

    @Test func `the policy of a background refresh is dropped after that, and its slot is free again`() throws {
        let settings = CacheSettings(refresh: RefreshSettings(maximumInFlight: 1))
        var fixture = try CacheFixture(settings: settings)
        try fixture.discover(policy: fetched())
        let plan = try fixture.nextRefresh(within: .seconds(2 * 86_400))
        let wasKnown = fixture.cache.forget(fixture.domain, at: fixture.clock.now)
        #expect(wasKnown)
        // A lookup starts another discovery.
        let other = try fixture.start()
        #expect(other.step == .queryRecord)
        let mayDial = fixture.cache.mayConnect(to: [try address("192.88.98.1")], in: plan.id)
        #expect(!mayDial)
        #expect(try fixture.receive(plan, id: "1", policy: fetched()) == nil)
        #expect(fixture.cache.finish(plan.id, at: fixture.clock.now) == nil)
        #expect(fixture.ask() == .join(other.id, atMost: nil))
        _ = fixture.receive(other, record: .published(try recordID("1")))
        _ = try fixture.receive(other, id: "1", policy: fetched())
        _ = try fixture.finish(other)
        let next = try fixture.nextRefresh(within: .seconds(2 * 86_400))
        #expect(next.domain == fixture.domain)
    }

    @Test func `a refresh that a lookup waits for finishes`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched(maxAge: 86_400))
        let plan = try fixture.nextRefresh(within: .seconds(2 * 86_400))
        fixture.clock.advance(.seconds(86_400))
        #expect(fixture.ask() == .join(plan.id, atMost: nil))
        _ = fixture.cache.forget(fixture.domain, at: fixture.clock.now)
        #expect(try fixture.refresh(plan, result: fetched()).status.mode == .enforce)
    }

    // MARK: The schedule

    @Test(arguments: [0, 1, 59_999])
    func `nothing is scheduled for a minute that has begun`(milliseconds: Int) throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        fixture.clock.advance(.milliseconds(milliseconds))
        var entry = try #require(fixture.cache.cache.entries.peek(fixture.domain))
        for overdue in [Duration.zero, .seconds(1), .seconds(86_400)] {
            entry.refreshAt = fixture.clock.now + (.zero - overdue)
            fixture.cache.cache.schedule(&entry, of: fixture.domain, at: fixture.clock.now)
            #expect(fixture.cache.cache.refreshQueue.dueCount(at: fixture.clock.now) == 0)
            #expect(fixture.cache.cache.refreshQueue.dueCount(at: fixture.clock.now + .seconds(60)) == 1)
        }
        #expect(fixture.cache.cache.refreshQueue.count == 1)
    }
}

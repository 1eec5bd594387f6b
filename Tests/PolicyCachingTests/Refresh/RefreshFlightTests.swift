import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

/// Refreshes during lookups, and how many may be in progress.
@Suite struct RefreshFlightTests {
    @Test func `a lookup does not wait for a refresh while its record is fresh`() throws {
        var fixture = try CacheFixture(settings: CacheSettings(maximumTTL: .seconds(86_400)))
        try fixture.discover(timeToLive: 86_400, policy: fetched(maxAge: 7_200))
        let plan = try fixture.nextRefresh(within: .seconds(7_200))
        #expect(plan.step == .refresh(try recordID("1")))
        #expect(try fixture.answer().mode == .enforce)
        let hit = fixture.cache.answer(to: fixture.domain, at: fixture.clock.now)
        #expect(hit?.mode == .enforce)
    }

    @Test func `if the record is stale, a lookup waits two seconds for the refresh, and the next one queries DNS`()
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(timeToLive: 300, policy: fetched(maxAge: 7_200))
        let plan = try fixture.nextRefresh(within: .seconds(7_200))
        guard case .join(plan.id, atMost: .some(.seconds(2))) = fixture.ask() else {
            throw UnexpectedError(what: "not joined for two seconds")
        }
        fixture.clock.advance(.seconds(3))
        #expect(try fixture.answer().mode == .enforce)
        try fixture.refresh(plan, result: fetched(mode: "testing", maxAge: 7_200))
        #expect(try fixture.start().step == .queryRecord)
    }

    @Test func `if a policy expires during its refresh, lookups wait as long as it takes`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(timeToLive: 3_600, policy: fetched(maxAge: 3_700))
        let plan = try fixture.nextRefresh(within: .seconds(3_699))
        fixture.clock.advance(.seconds(200))
        guard case .join(plan.id, atMost: nil) = fixture.ask() else { throw UnexpectedError(what: "not joined") }
        #expect(try fixture.refresh(plan, result: fetched()).status.mode == .enforce)
    }

    @Test func `no more refreshes are in progress than allowed, and each that ends allows another`() throws {
        var fixture = try many(40, settings: RefreshSettings(maximumInFlight: 3))
        fixture.clock.advance(.seconds(2 * 86_400))
        let first = fixture.due().refreshes
        #expect(first.count == 3)
        fixture.clock.advance(.seconds(60))
        let none = fixture.due().refreshes
        #expect(none.isEmpty)
        try fixture.refresh(first[0], result: fetched())
        let next = fixture.due().refreshes
        #expect(next.count == 1)
    }

    @Test func `no more refreshes begin in a minute than allowed, spread over the minute`() throws {
        var fixture = try many(500, settings: RefreshSettings(maximumInFlight: 1_000, minimumPerMinute: 60))
        _ = fixture.due()
        fixture.clock.advance(.seconds(2 * 86_400))
        var perCheck: [Int] = []
        for _ in 1...24 {
            perCheck.append(fixture.due().refreshes.count)
            fixture.clock.advance(.seconds(5))
        }
        // The first check after a pause may take what 15 seconds allow.
        #expect(perCheck.first == 15)
        #expect(perCheck.dropFirst().allSatisfy { $0 == 5 })
    }

    @Test func `no more refreshes connect to one address than allowed; the others are tried again within minutes`()
        throws
    {
        var fixture = try many(10, settings: RefreshSettings(maximumPerAddress: 2))
        fixture.clock.advance(.seconds(2 * 86_400))
        let plans = fixture.due().refreshes
        #expect(plans.count == 10)
        let provider = try address("192.88.98.7")
        let other = try address("192.88.98.8")
        var may: [Bool] = []
        for (number, plan) in plans.enumerated() {
            may.append(fixture.cache.mayConnect(to: number == 9 ? [other] : [provider], in: plan.id))
        }
        #expect(may == [true, true, false, false, false, false, false, false, false, true])
        for plan in plans.dropFirst(2).dropLast() {
            #expect(try fixture.finish(plan).status.mode == .enforce)
        }
        _ = try fixture.receive(plans[0], id: "1", policy: fetched())
        _ = try fixture.finish(plans[0])
        let again = try fixture.nextDue(within: .seconds(360))
        let mayNow = fixture.cache.mayConnect(to: [provider], in: again.due.refreshes[0].id)
        #expect(mayNow)
    }

    @Test func `a domain that is being refreshed is not evicted, and keeps its position in the queue`()
        throws
    {
        let settings = CacheSettings(maximumDomains: 2, refresh: RefreshSettings(maximumInFlight: 1))
        var cache = RecordedCache(settings: settings, isPersistent: true)
        let clock = ManualTime()
        cache.restore([try LoadedPolicy(storedPolicy("first.example", at: clock.now))], at: clock.now)
        clock.advance(.seconds(2 * 86_400))
        let plan = try #require(cache.due(at: clock.now).refreshes.first)
        for number in 1...3 {
            cache.restore([], at: clock.now)
            guard case .start(let other, _) = cache.lookup(try domain("d\(number).example"), at: clock.now) else {
                return
            }
            let id = try recordID("1")
            if case .readStore = other.step { _ = cache.storeRead(.nothing, in: other.id, at: clock.now) }
            _ = cache.recordReceived(RecordReport(result: .published(id), timeToLive: 300), in: other.id, at: clock.now)
            _ = cache.policyReceived(try fetched(), id: id, in: other.id, at: clock.now)
            _ = cache.finish(other.id, at: clock.now)
        }
        #expect(cache.policyReceived(try fetched(), id: try recordID("1"), in: plan.id, at: clock.now) != nil)
        #expect(cache.finish(plan.id, at: clock.now) != nil)
        #expect(cache.count == 2)
        // It was looked up before the others, so it is evicted first.
        guard case .start(let last, _) = cache.lookup(try domain("last.example"), at: clock.now) else { return }
        _ = cache.storeRead(.nothing, in: last.id, at: clock.now)
        #expect(cache.status(of: try domain("first.example"), at: clock.now) == .unknown(.unfinished))
        clock.advance(.seconds(2 * 86_400))
        let next = cache.due(at: clock.now).refreshes
        #expect(next.count == 1)
    }

    @Test func `a clock that was set back by years makes a new schedule; by a second it changes nothing`() throws {
        var fixture = try many(20)
        _ = fixture.due()
        fixture.clock.advance(.seconds(-1))
        _ = fixture.due()
        fixture.clock.advance(.seconds(-3 * 365 * 86_400))
        // Every policy has a fetch time in the future: it applies and is fetched again at once.
        var seen = 0
        for _ in 1...10 {
            for plan in fixture.due().refreshes {
                seen += 1
                try fixture.refresh(plan, result: fetched())
            }
            fixture.clock.advance(.seconds(5))
        }
        #expect(seen == 20)
        #expect(fixture.cache.refreshedCount == 20)
        try fixture.expectNothingDue(within: .seconds(86_400 * 3 / 4 - 120))
        _ = try fixture.nextDue(within: .seconds(86_400))
    }

    @Test func `a clock that jumps ahead by hours and is set back loses neither a policy nor a refresh`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched(maxAge: 86_400))
        _ = fixture.due()
        fixture.clock.advance(.seconds(30 * 3_600))
        let none = fixture.due().refreshes
        #expect(none == [])
        fixture.clock.advance(.seconds(-30 * 3_600))
        let still = fixture.due().refreshes
        #expect(still == [])
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
        let next = try fixture.nextDue(within: .seconds(43_260))
        #expect(next.due.refreshes.count == 1)
    }

    @Test func `a fetch that failed while the clock was ahead is repeated soon after the clock was set back`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        _ = fixture.due()
        fixture.clock.advance(.seconds(6 * 86_400))
        let plan = try fixture.nextRefresh(within: .seconds(86_400))
        try fixture.refresh(plan, result: .failed(.fetch(.certificate(.notYetValid))))
        fixture.clock.advance(.seconds(-6 * 86_400))
        let next = try fixture.nextDue(within: .seconds(3_600))
        #expect(next.due.refreshes.count == 1)
    }

    @Test func `a refresh that a lookup waits for is tried whatever the budget is`() throws {
        let settings = CacheSettings(refresh: RefreshSettings(maximumPerAddress: 0))
        var fixture = try CacheFixture(settings: settings)
        try fixture.discover(timeToLive: 3_600, policy: fetched(maxAge: 3_700))
        let plan = try fixture.nextRefresh(within: .seconds(3_699))
        fixture.clock.advance(.seconds(200))
        guard case .join(plan.id, atMost: nil) = fixture.ask() else { throw UnexpectedError(what: "not joined") }
        let may = fixture.cache.mayConnect(to: [try address("192.88.98.7")], in: plan.id)
        #expect(may)
    }

    @Test(arguments: [true, false])
    func `ten thousand policies are spread over the day, overdue at the start or not`(areOverdue: Bool) throws {
        var fixture = try many(10_000, fetchedBefore: areOverdue ? .seconds(3 * 86_400) : .zero)
        var hours = Array(repeating: 0, count: 72)
        for step in 0..<(72 * 360) {
            for plan in fixture.due().refreshes {
                hours[step / 360] += 1
                try fixture.refresh(plan, result: fetched())
            }
            fixture.clock.advance(.seconds(10))
        }
        let busiest = try #require(hours.max())
        #expect(busiest <= (areOverdue ? 1_000 : 2_000), "\(hours)")
        #expect(hours.reduce(0, +) >= 30_000 - 10_000)
    }

    // MARK: Fixtures

    private func many(
        _ count: Int, settings: RefreshSettings = RefreshSettings(), fetchedBefore: Duration = .zero
    ) throws -> CacheFixture {
        var fixture = try CacheFixture(settings: CacheSettings(refresh: settings))
        let fetchedAt = fixture.clock.now + (.zero - fetchedBefore)
        let saved = try (1...count).map {
            try LoadedPolicy(storedPolicy("d\($0).example", at: fetchedAt, asked: fixture.clock.now))
        }
        fixture.cache.restore(saved, at: fixture.clock.now)
        return fixture
    }
}

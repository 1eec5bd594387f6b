import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

/// Policies are refreshed in the background, whatever the id is (RFC 8461 §3.3, §10.2).
@Suite struct RefreshTests {
    private static let broken = PolicyResult.failed(.fetch(.http(.status(500))))
    private static let day = Duration.seconds(86_400)

    @Test(arguments: [
        (maxAge: 604_800, from: 64_800, to: 86_460), (31_557_600, 64_800, 86_460), (99_999_999, 64_800, 86_460),
        (86_400, 32_400, 43_260), (10_000, 3_750, 5_060), (7_201, 3_600, 3_660), (5_400, 3_600, 3_660),
    ])
    func `STS-3.3-p a policy is fetched again within a day and half its lifetime, and not within an hour`(
        maxAge: Int, from: Int, to: Int
    ) throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched(maxAge: maxAge))
        let next = try fixture.nextDue(within: Self.day * 2)
        #expect(next.due.refreshes.map(\.step) == [.refresh(try recordID("1"))])
        #expect(next.after >= .seconds(from))
        #expect(next.after <= .seconds(to))
    }

    @Test(arguments: [1, 60, 3_600])
    func `a policy with a shorter lifetime is fetched by the next lookup after its expiry`(maxAge: Int) throws {
        var fixture = try CacheFixture()
        try fixture.discover(timeToLive: 3_600, policy: fetched(maxAge: maxAge))
        #expect(fixture.cache.refreshedCount == 0)
        for _ in 1...60 {
            fixture.clock.advance(.seconds(60))
            #expect(fixture.due().refreshes.isEmpty)
        }
        #expect(try fixture.start().step == .queryRecord)
    }

    @Test func `STS-10.2-a the id is the same and the body is another: the new body is in use after the refresh`()
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        let plan = try fixture.nextRefresh(within: Self.day * 2)
        let outcome = try fixture.refresh(plan, result: fetched(mode: "testing"))
        #expect(outcome.events.count == 1)
        #expect(try fixture.discover(record: .published(try recordID("1"))).status.mode == .testing)
    }

    @Test func `STS-8.1-b the id is bumped first, the body later: the refresh finds it`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", policy: fetched(mx: ["old.example.com"]))
        fixture.clock.advance(.seconds(300))
        // The sender stores the old body under the new id, and no further id will come.
        try fixture.discover(id: "2", policy: fetched(mx: ["old.example.com"]))
        let plan = try fixture.nextRefresh(within: Self.day * 2)
        #expect(plan.step == .refresh(try recordID("2")))
        try fixture.refresh(plan, result: fetched(mx: ["new.example.com"]))
        guard case .policy(let cached) = try fixture.discover(record: .published(try recordID("2"))).status else {
            throw UnexpectedError(what: "no policy")
        }
        #expect(cached.policy.mx.map(\.description) == ["new.example.com"])
    }

    @Test func `a refresh is saved with the id that DNS last published`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(id: "1", policy: fetched())
        fixture.clock.advance(.seconds(300))
        try fixture.discover(id: "2", policy: Self.broken)
        let plan = try fixture.nextRefresh(within: Self.day)
        #expect(plan.step == .refresh(try recordID("2")))
        let outcome = try fixture.refresh(plan, result: fetched())
        guard case .policy(let cached) = outcome.status else { throw UnexpectedError(what: "no policy") }
        #expect(cached.id == (try recordID("2")))
    }

    @Test func `STS-10.2-b TXT gone for 30 days while HTTPS works: a policy of 7 days never lapses`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(timeToLive: 3_600, policy: fetched())
        var refreshes = 0
        for hour in 1...(30 * 24) {
            for _ in 1...60 {
                fixture.clock.advance(.seconds(60))
                for plan in fixture.due().refreshes {
                    refreshes += 1
                    try fixture.refresh(plan, result: fetched())
                }
            }
            // Mail is sent once an hour, and DNS answers that the name does not exist.
            switch fixture.ask() {
            case .answer(let status): #expect(status.mode == .enforce, "hour \(hour)")
            case .start(let plan, let atMost):
                #expect(atMost == .seconds(2))
                #expect(fixture.receive(plan, record: .absent(.nameError), timeToLive: 3_600) == .finish)
                let outcome = try fixture.finish(plan)
                #expect(outcome.status.mode == .enforce, "hour \(hour)")
            case .join: Issue.record("a flight hangs")
            }
        }
        #expect((30...41).contains(refreshes))
    }

    @Test
    func `HTTPS fails for the whole lifetime: the policy applies until it expires, the pauses double to six hours`()
        throws
    {
        var fixture = try CacheFixture()
        let life = Duration.seconds(604_800)
        try fixture.discover(timeToLive: 3_600, policy: fetched())
        let end = fixture.clock.now + life
        var tries: [WallTime] = []
        var warnings: [Int] = []
        var failures = 0
        while fixture.clock.now < end {
            let due = fixture.due()
            warnings += due.domainEvents.flatMap(\.events).compactMap(\.percent)
            for plan in due.refreshes {
                tries.append(fixture.clock.now)
                let outcome = try fixture.refresh(plan, result: Self.broken)
                #expect(outcome.status.mode == .enforce)
                failures += outcome.events.count { if case .fetchFailed = $0 { true } else { false } }
                warnings += outcome.events.compactMap(\.percent)
            }
            fixture.clock.advance(.seconds(60))
        }
        let pauses = zip(tries, tries.dropFirst()).map { $1 - $0 }
        // The pause, up to a quarter more by jitter, and a minute of rounding.
        for (pause, minutes) in zip(pauses, [5, 10, 20, 40, 80, 160, 320, 360, 360]) {
            #expect(pause >= .seconds(minutes * 60))
            #expect(pause <= .seconds(minutes * 75 + 60))
        }
        // Towards the expiry they become shorter again (ExpiryTests).
        let long = zip(tries, pauses).filter { end - $0.0 > .seconds(15 * 3_600) }.map(\.1)
        #expect(long.count > 15)
        #expect(long.dropFirst(7).allSatisfy { $0 >= .seconds(6 * 3_600) })
        #expect(failures == 1)
        #expect(warnings == [50, 90])
        // The last try has just failed, so a lookup waits only briefly for the record.
        guard case .start(let plan, .some(.seconds(2))) = fixture.ask() else {
            throw UnexpectedError(what: "applied past its life")
        }
        #expect(fixture.receive(plan, record: .absent(.noData)) == .finish)
        #expect(try fixture.finish(plan).status == .noPolicy(.noData))
    }

    @Test func `STS-10.2-c warnings at half and nine tenths of the lifetime are on time, between two tries too`() throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(timeToLive: 3_600, policy: fetched(maxAge: 86_400))
        let start = fixture.clock.now
        var warnings: [(percent: Int, after: Duration)] = []
        while fixture.clock.now < start + Self.day {
            fixture.clock.advance(.seconds(60))
            let due = fixture.due()
            var changes = due.domainEvents.flatMap(\.events)
            for plan in due.refreshes { changes += try fixture.refresh(plan, result: Self.broken).events }
            for change in changes {
                if let percent = change.percent { warnings.append((percent, fixture.clock.now - start)) }
            }
        }
        #expect(warnings.map(\.percent) == [50, 90])
        #expect(warnings.map(\.after) == [.seconds(43_200), .seconds(77_760)])
    }

    @Test func `STS-8.3-a mode none, then everything removed: no warning, and it expires`() throws {
        var fixture = try CacheFixture()
        let first = try fixture.discover(timeToLive: 3_600, policy: fetched(mode: "none", maxAge: 604_800))
        #expect(first.status.mode == STSPolicy.Mode.none)
        let end = fixture.clock.now + .seconds(604_800)
        var changes: [CacheEvent] = []
        while fixture.clock.now < end {
            fixture.clock.advance(.seconds(60))
            let due = fixture.due()
            changes += due.domainEvents.flatMap(\.events)
            for plan in due.refreshes { changes += try fixture.refresh(plan, result: Self.broken).events }
        }
        // The only event is logged at debug, because the mode is none (EventLogger).
        #expect(changes.compactMap(\.percent) == [])
        #expect(changes.count == 1)
        try fixture.discover(record: .absent(.nameError))
        #expect(try fixture.answer() == .noPolicy(.nameError))
    }

    @Test func `STS-5-c mode none found by a refresh replaces enforce at once; max_age 0 removes it`() throws {
        for (mode, maxAge, change) in [("none", 86_400, "keep"), ("enforce", 0, "remove")] {
            var fixture = try CacheFixture(isPersistent: true)
            try fixture.restart([try storedPolicy("example.com", at: fixture.clock.now)])
            let plan = try fixture.nextRefresh(within: Self.day * 2)
            let may = fixture.cache.mayConnect(to: [], in: plan.id)
            #expect(may)
            let saved = try fixture.receive(plan, id: "1", policy: fetched(mode: mode, maxAge: maxAge))
            _ = try fixture.finish(plan)
            switch saved {
            case .savePolicy(let policy): #expect(change == "keep" && policy.fetchedAt == fixture.clock.now)
            case .removePolicy(let domain): #expect(change == "remove" && domain == fixture.domain)
            default: Issue.record("there is no store change")
            }
            #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode != .enforce)
        }
    }

    @Test
    func
        `STS-10.2-e a policy without a lookup for 30 days is not refreshed, still applies, and is refreshed by the next lookup`()
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(timeToLive: 3_600, policy: fetched(maxAge: 31_557_600))
        let start = fixture.clock.now
        var last = start
        while fixture.clock.now < start + Self.day * 60 {
            fixture.clock.advance(.seconds(60))
            for plan in fixture.due().refreshes {
                last = fixture.clock.now
                try fixture.refresh(plan, result: fetched(maxAge: 31_557_600))
            }
        }
        #expect(last - start > Self.day * 29)
        #expect(last - start < Self.day * 30)
        #expect(fixture.cache.refreshedCount == 0)
        #expect(try fixture.discover(record: .published(try recordID("1"))).status.mode == .enforce)
        #expect(fixture.cache.refreshedCount == 1)
        #expect(try fixture.nextDue(within: Self.day).due.refreshes.count == 1)
    }

    @Test func `STS-10.2-c a warning that was due while the daemon was down is logged after the start`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let fetchedAt = fixture.clock.now
        let failure = StoredPolicy.Failure(
            id: try recordID("1"), at: fetchedAt + Self.day * 2, count: 3, category: .fetchError,
            reason: "HTTP status 500")
        fixture.clock.advance(Self.day * 5)
        try fixture.restart([try storedPolicy("example.com", at: fetchedAt, asked: fixture.clock.now, failure: failure)]
        )
        let warnings = try fixture.nextDue(within: .seconds(120)).due.domainEvents.flatMap(\.events).compactMap(
            \.percent)
        #expect(warnings == [50])
    }

    @Test func `a recovery is logged once`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        var changes: [CacheEvent] = []
        for result in [Self.broken, Self.broken, try fetched(), try fetched()] {
            let plan = try fixture.nextRefresh(within: Self.day * 2)
            changes += try fixture.refresh(plan, result: result).events
        }
        #expect(changes.count == 2)
        #expect(changes.last == .fetchRecovered)
    }

    @Test func `the pauses continue after a restart, and logged warnings are not logged again`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        try fixture.restart([try storedPolicy("example.com", at: fixture.clock.now)])
        var saved: StoredPolicy?
        for _ in 1...5 {
            let plan = try fixture.nextRefresh(within: Self.day * 2)
            try fixture.refresh(plan, result: Self.broken)
            for case .savePolicy(let policy) in fixture.cache.takeChanges() { saved = policy }
        }
        let failure = try #require(saved?.failure)
        #expect(failure.count == 5)
        #expect(failure.reason == "HTTP status 500")
        try fixture.restart([try #require(saved)])
        let next = try fixture.nextDue(within: Self.day)
        #expect(next.after >= .seconds(79 * 60))
        #expect(try fixture.refresh(try #require(next.due.refreshes.first), result: Self.broken).events == [])
        guard case .savePolicy(let policy) = fixture.cache.takeChanges().last else {
            throw UnexpectedError(what: "not saved")
        }
        #expect(policy.failure?.count == 6)
    }
}

extension CacheEvent {
    /// The percentage of an expiry warning.
    var percent: Int? {
        guard case .expiresSoon(let percent, _, _) = self else { return nil }
        return percent
    }
}

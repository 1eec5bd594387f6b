import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

/// Policies when the wall clock is set (RFC 8461 §3.2: the lifetime begins at the last fetch; §10.2).
@Suite struct ClockTests {
    private static let day = Duration.seconds(86_400)
    private static let life = Duration.seconds(604_800)
    private static let broken = PolicyResult.failed(.fetch(.http(.status(500))))

    /// The rows of the policy that the store gets.
    private func saved(_ fixture: inout CacheFixture) -> [StoredPolicy] {
        fixture.cache.takeChanges().compactMap { change in
            guard case .savePolicy(let policy) = change else { return nil }
            return policy
        }
    }

    /// A lookup while queries and fetches fail.
    private func lookup(_ fixture: inout CacheFixture) throws -> PolicyStatus {
        switch fixture.ask() {
        case .answer(let status): return status
        case .join: throw UnexpectedError(what: "a flight hangs")
        case .start(let plan, _):
            if plan.step == .queryRecord { _ = fixture.receive(plan, record: .failed(serverFailure)) }
            return try fixture.finish(plan).status
        }
    }

    @Test func `STS-3.2-ab STS-10.2-d a clock that is behind for a moment does not shorten a policy's lifetime`() throws
    {
        var fixture = try CacheFixture(isPersistent: true)
        let fetchedAt = fixture.clock.now
        try fixture.restart([try storedPolicy("example.com", at: fetchedAt)])
        _ = fixture.due()
        fixture.clock.advance(.seconds(3_600) - Self.day * 30)
        #expect(try lookup(&fixture).mode == .enforce)
        _ = fixture.due()
        let noticedAt = fixture.clock.now
        try fixture.refresh(try fixture.nextRefresh(within: .seconds(120)), result: Self.broken)
        let rows = saved(&fixture)
        #expect(rows.count == 3, "the lookup, the refresh, and its failure")
        for row in rows {
            #expect(row.fetchedAt == fetchedAt)
            #expect(row.expiresAt == fetchedAt + Self.life)
            #expect(row.clockBehindSince == noticedAt)
        }
        // The clock is right again: in the same process, and in a new one.
        fixture.clock.advance(fetchedAt - fixture.clock.now + .seconds(3_600))
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
        #expect(try lookup(&fixture).mode == .enforce)
        try fixture.restart([try #require(rows.last)])
        fixture.clock.advance(Self.life - .seconds(3_600) - .milliseconds(1))
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
        fixture.clock.advance(.milliseconds(1))
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == nil)
    }

    @Test func `a policy fetched in the future applies, and is fetched again at once whatever the id is`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        try fixture.restart([try storedPolicy("example.com", at: fixture.clock.now + Self.day * 365)])
        guard case .start(let plan, .some(.seconds(2))) = fixture.ask() else {
            throw UnexpectedError(what: "no bounded flight")
        }
        #expect(fixture.receive(plan, record: .published(try recordID("1"))) == .fetch(try recordID("1"), delay: .zero))
        _ = try fixture.receive(plan, id: "1", policy: Self.broken)
        #expect(try fixture.finish(plan).status.mode == .enforce)
        // The five minutes for the same id hold here too.
        #expect(try fixture.answer().mode == .enforce)
    }

    @Test func `a fetch by a clock that was ahead does not prolong the lifetime: it begins when that was noticed`()
        throws
    {
        var fixture = try CacheFixture(isPersistent: true)
        let noticedAt = fixture.clock.now
        try fixture.restart([try storedPolicy("example.com", at: noticedAt + Self.day * 365)])
        #expect(try lookup(&fixture).mode == .enforce)
        let row = try #require(saved(&fixture).last)
        fixture.clock.advance(Self.day * 3)
        try fixture.restart([row])
        #expect(try lookup(&fixture).mode == .enforce)
        fixture.clock.advance(Self.day * 4 - .milliseconds(1))
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
        fixture.clock.advance(.milliseconds(1))
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == nil)
    }

    @Test func `STS-3.2-ab a fetch while the clock is behind does not shorten the known lifetime`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let fetchedAt = fixture.clock.now
        try fixture.restart([try storedPolicy("example.com", at: fetchedAt)])
        _ = fixture.due()
        fixture.clock.advance(Self.day * -30)
        let plan = try fixture.nextRefresh(within: .seconds(120))
        guard case .refresh(let id) = plan.step else { throw UnexpectedError(what: "no refresh") }
        guard
            case .savePolicy(let row)? = fixture.cache.policyReceived(
                try fetched(), id: id, in: plan.id, at: fixture.clock.now)
        else {
            throw UnexpectedError(what: "not saved")
        }
        _ = try fixture.finish(plan)
        #expect(row.fetchedAt == fixture.clock.now)
        #expect(row.previousFetchedAt == fetchedAt)
        #expect(row.expiresAt == fetchedAt + Self.life)
        // With the wrong clock it is an ordinary policy that is not fetched again and again.
        try fixture.expectNothingDue(within: .seconds(3_600))
        // The clock is right again: in the same process, and in a new one.
        fixture.clock.advance(fetchedAt - fixture.clock.now)
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
        for restarts in [false, true] {
            if restarts { try fixture.restart([row]) }
            fixture.clock.advance(Self.life - .milliseconds(1))
            #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
            fixture.clock.advance(.milliseconds(1))
            #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == nil)
            fixture.clock.advance(.zero - Self.life)
        }
    }

    @Test func `a fetch after one by a clock that was ahead is an ordinary one`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        try fixture.restart([try storedPolicy("example.com", at: fixture.clock.now + Self.day * 365)])
        try fixture.refresh(try fixture.nextRefresh(within: .seconds(120)), result: try fetched())
        let refreshedAt = fixture.clock.now
        try fixture.expectNothingDue(within: .seconds(3_600))
        let end = refreshedAt + Self.life
        fixture.clock.advance(end - fixture.clock.now - .milliseconds(1))
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
        fixture.clock.advance(.milliseconds(1))
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == nil)
    }

    @Test func `the store forgets that the clock was behind as soon as it is right again`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        try fixture.restart([try storedPolicy("example.com", at: fixture.clock.now)])
        fixture.clock.advance(Self.day * -30)
        #expect(try lookup(&fixture).mode == .enforce)
        let behind = try #require(saved(&fixture).last)
        fixture.clock.advance(Self.day * 30)
        #expect(try lookup(&fixture).mode == .enforce)
        let right = try #require(saved(&fixture).last)
        #expect(right.clockBehindSince == nil)
        // The next boot too begins with a clock that is behind, but less. The lifetime begins there, not at the first time.
        fixture.clock.advance(Self.day * -20)
        try fixture.restart([right])
        #expect(try lookup(&fixture).mode == .enforce)
        try fixture.restart([behind])
        #expect(try lookup(&fixture).mode == nil)
    }

    @Test func `a policy in use is still in use after a start with a clock that is behind`() throws {
        for isAsked in [false, true] {
            var fixture = try CacheFixture(isPersistent: true)
            let start = fixture.clock.now
            fixture.clock.advance(Self.day * -365)
            try fixture.restart([try storedPolicy("example.com", at: start)])
            if isAsked { _ = try lookup(&fixture) }
            _ = fixture.due()
            fixture.clock.advance(Self.day * 365)
            #expect(try fixture.nextDue(within: Self.life).due.refreshes.count == 1)
        }
    }

    @Test func `a clock that is set back twice starts the lifetime again the second time`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched(maxAge: 2_592_000))
        _ = fixture.due()
        for step in [Self.day * -40, Self.day * 40, Self.day * 10, Self.day * -40, Self.day * 40] {
            fixture.clock.advance(step)
            for plan in fixture.due().refreshes { try fixture.refresh(plan, result: Self.broken) }
            #expect(try lookup(&fixture).mode == .enforce, "\(step)")
        }
    }

    @Test func `it is logged once how far the clock is behind, and again when it is behind again`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        #expect(fixture.due().clockBehind == nil)
        for _ in 1...2 {
            fixture.clock.advance(Self.day * -30)
            #expect(fixture.due().clockBehind == Self.day * 30)
            fixture.clock.advance(.seconds(60))
            #expect(fixture.due().clockBehind == nil)
            fixture.clock.advance(Self.day * 30 - .seconds(60))
            #expect(fixture.due().clockBehind == nil)
        }
    }

    @Test func `steps of the wall clock are found by comparison with the time since boot, in both directions`() {
        var clocks = ClockComparison()
        var (wallTime, boot) = (ManualTime().now, Duration.seconds(100))
        func look(wallTime step: Duration, boot passed: Duration) -> Duration? {
            (wallTime, boot) = (wallTime + step, boot + passed)
            return clocks.step(wallTime: wallTime, bootTime: boot)
        }
        #expect(look(wallTime: .zero, boot: .zero) == nil)
        // The host was suspended: both clocks have advanced.
        #expect(look(wallTime: Self.day, boot: Self.day) == nil)
        #expect(look(wallTime: .seconds(64), boot: .seconds(5)) == nil)
        #expect(look(wallTime: .seconds(65), boot: .seconds(5)) == .seconds(60))
        #expect(look(wallTime: .seconds(5), boot: .seconds(5)) == nil)
        #expect(look(wallTime: .seconds(5) - Self.day * 30, boot: .seconds(5)) == Self.day * -30)
    }
}

/// The expiry of an enforced policy is a warning, always and once.
@Suite struct ExpiryTests {
    private static let day = Duration.seconds(86_400)
    private static let broken = PolicyResult.failed(.fetch(.http(.status(500))))

    private func ends(_ changes: [CacheEvent]) -> Int {
        changes.count { if case .expired = $0 { true } else { false } }
    }

    /// Lets time pass in minutes while refreshes fail. Returns the number of expiries and the time of the first.
    private func pass(_ span: Duration, in fixture: inout CacheFixture) throws -> (count: Int, after: Duration?) {
        let start = fixture.clock.now
        var (count, after) = (0, Duration?.none)
        while fixture.clock.now < start + span {
            let due = fixture.due()
            var found = ends(due.domainEvents.flatMap(\.events))
            for plan in due.refreshes { found += ends(try fixture.refresh(plan, result: Self.broken).events) }
            if found > 0, after == nil { after = fixture.clock.now - start }
            count += found
            fixture.clock.advance(.seconds(60))
        }
        return (count, after)
    }

    @Test func `STS-10.2-c the expiry of a policy that could not be renewed is logged within a minute, once`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        let found = try pass(Self.day * 9, in: &fixture)
        #expect(found.count == 1)
        let after = try #require(found.after)
        #expect(after >= Self.day * 7 && after <= Self.day * 7 + .seconds(60))
    }

    @Test func `the expiry is logged after idle days too, and for a lifetime too short for a refresh`() throws {
        for maxAge in [31_557_600, 600] {
            var fixture = try CacheFixture()
            try fixture.discover(policy: fetched(maxAge: maxAge))
            // There is no lookup, and the last refresh was more than a lifetime ago.
            fixture.clock.advance(.seconds(maxAge) - .seconds(120))
            if maxAge > 86_400 { fixture.clock.advance(.seconds(60)) }
            #expect(try pass(.seconds(600), in: &fixture).count == 1)
        }
    }

    @Test
    func
        `after a step of the clock the expiry is logged, also by a first lookup, and again after the clock was set back`()
        throws
    {
        for asksFirst in [false, true] {
            var fixture = try CacheFixture()
            try fixture.discover(policy: fetched())
            _ = fixture.due()
            fixture.clock.advance(Self.day * 30)
            var found = 0
            if asksFirst {
                let plan = try fixture.start()
                _ = fixture.receive(plan, record: .failed(serverFailure))
                found = ends(try fixture.finish(plan).events)
                #expect(found == 1)
            }
            found += try pass(.seconds(300), in: &fixture).count
            #expect(found == 1)
            fixture.clock.advance(Self.day * -30)
            #expect(try pass(.seconds(60), in: &fixture).count == 0)
            #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
            #expect(try pass(Self.day * 8, in: &fixture).count == 1)
        }
    }

    @Test func `if a lookup renews the policy at once, nothing is logged`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        fixture.clock.advance(Self.day * 30)
        #expect(ends(try fixture.discover(id: "1", policy: fetched()).events) == 0)
        #expect(try pass(.seconds(600), in: &fixture).count == 0)
    }

    @Test func `a daemon that finds it expired at its start logs it, and the next one does not`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let fetchedAt = fixture.clock.now
        fixture.clock.advance(Self.day * 8)
        try fixture.restart([try storedPolicy("example.com", at: fetchedAt)])
        let domainEvents = fixture.due().domainEvents
        #expect(ends(domainEvents.flatMap(\.events)) == 1)
        #expect(domainEvents.first?.origin == .start)
        guard case .savePolicy(let row)? = fixture.cache.takeChanges().last else {
            throw UnexpectedError(what: "not saved")
        }
        #expect(row.isExpiryLogged)
        try fixture.restart([row])
        #expect(try pass(.seconds(600), in: &fixture).count == 0)
    }

    @Test func `an expiry before the clock was set back is logged again, after restarts too`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let fetchedAt = fixture.clock.now
        /// The row in the store after a start when the policy has this `age`, and the number of logged expiries.
        func start(with row: StoredPolicy, at age: Duration) throws -> (row: StoredPolicy, ends: Int) {
            fixture.clock.advance(fetchedAt + age - fixture.clock.now)
            try fixture.restart([row])
            let count = ends(fixture.due().domainEvents.flatMap(\.events))
            let rows = fixture.cache.takeChanges().compactMap { if case .savePolicy(let row) = $0 { row } else { nil } }
            return (rows.last ?? row, count)
        }
        let ahead = try start(with: try storedPolicy("example.com", at: fetchedAt), at: Self.day * 30)
        #expect(ahead.ends == 1 && ahead.row.isExpiryLogged)
        let right = try start(with: ahead.row, at: Self.day)
        #expect(right.ends == 0 && !right.row.isExpiryLogged)
        let over = try start(with: right.row, at: Self.day * 10)
        #expect(over.ends == 1 && over.row.isExpiryLogged)
    }

    @Test func `STS-8.3-a the expiry of mode none is not logged`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched(mode: "none", maxAge: 86_400))
        #expect(try pass(Self.day * 2, in: &fixture).count == 0)
    }

    @Test(arguments: [86_400, 604_800])
    func `STS-3.3-p STS-10.2-a tries become more frequent towards the expiry, down to the first pause`(maxAge: Int)
        throws
    {
        var fixture = try CacheFixture()
        try fixture.discover(timeToLive: 3_600, policy: fetched(maxAge: maxAge))
        let end = fixture.clock.now + .seconds(maxAge)
        var tries: [WallTime] = []
        while fixture.clock.now < end {
            for plan in fixture.due().refreshes {
                tries.append(fixture.clock.now)
                try fixture.refresh(plan, result: Self.broken)
            }
            fixture.clock.advance(.seconds(60))
        }
        let last = try #require(tries.last)
        // The first pause, up to a quarter more by jitter, and two minutes of rounding.
        #expect(end - last <= .seconds(300 + 75 + 120))
        for (one, next) in zip(tries, tries.dropFirst()) {
            #expect(next - one >= .seconds(300))
            // Never later than half of the remaining lifetime, except for the pause that RFC 8461 §3.3 requires.
            #expect(next - one <= max(.seconds(300), (end - one) / 2) + .seconds(60))
        }
    }
}

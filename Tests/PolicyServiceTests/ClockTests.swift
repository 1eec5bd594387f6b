import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// Policies under a wall clock that is set (RFC 8461 §3.2: a life runs from the last fetch; §10.2).
@Suite struct ClockTests {
    private static let day = Duration.seconds(86_400)
    private static let life = Duration.seconds(604_800)
    private static let broken = PolicyFinding.failed(.fetch(.http(.status(500))))

    /// The changes that the archive gets of the policy.
    private func kept(_ lab: inout LedgerLab) -> [ArchivedPolicy] {
        lab.ledger.takeChanges().compactMap { change in
            guard case .keep(let policy) = change else { return nil }
            return policy
        }
    }

    /// A lookup while nothing can be found out.
    private func lookup(_ lab: inout LedgerLab) throws -> Standing {
        switch lab.ask() {
        case .answer(let standing): return standing
        case .join: throw Unexpected(what: "a flight hangs")
        case .start(let plan, _):
            if plan.step == .record { _ = lab.land(plan, record: .failed(serverFailure)) }
            return try lab.settle(plan).standing
        }
    }

    @Test func `STS-3.2-ab STS-10.2-d a clock that is behind for a moment leaves a policy its whole life`() throws {
        var lab = try LedgerLab(isArchived: true)
        let fetchedAt = lab.clock.now
        try lab.restart([try archived("example.com", at: fetchedAt)])
        _ = lab.due()
        lab.clock.advance(.seconds(3_600) - Self.day * 30)
        #expect(try lookup(&lab).mode == .enforce)
        _ = lab.due()
        let noticedAt = lab.clock.now
        try lab.refresh(try lab.nextRefresh(within: .seconds(120)), Self.broken)
        let rows = kept(&lab)
        #expect(rows.count == 3, "the lookup, the refresh, and its failure")
        for row in rows {
            #expect(row.fetchedAt == fetchedAt)
            #expect(row.expiresAt == fetchedAt + Self.life)
            #expect(row.clockBehindSince == noticedAt)
        }
        // The clock is right again: in the same process, and in a new one.
        lab.clock.advance(fetchedAt - lab.clock.now + .seconds(3_600))
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
        #expect(try lookup(&lab).mode == .enforce)
        try lab.restart([try #require(rows.last)])
        lab.clock.advance(Self.life - .seconds(3_600) - .milliseconds(1))
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
        lab.clock.advance(.milliseconds(1))
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == nil)
    }

    @Test func `a policy fetched in the future applies, and is fetched again at once whatever its id says`() throws {
        var lab = try LedgerLab(isArchived: true)
        try lab.restart([try archived("example.com", at: lab.clock.now + Self.day * 365)])
        guard case .start(let plan, .some(.seconds(2))) = lab.ask() else { throw Unexpected(what: "no bounded flight") }
        #expect(lab.land(plan, record: .published(try recordID("1"))) == .fetch(try recordID("1"), delay: .zero))
        _ = try lab.land(plan, id: "1", Self.broken)
        #expect(try lab.settle(plan).standing.mode == .enforce)
        // Five minutes for the same id hold here too.
        #expect(try lab.answer().mode == .enforce)
    }

    @Test func `a fetch by a clock that was ahead does not prolong the life: it counts from when that was noticed`()
        throws
    {
        var lab = try LedgerLab(isArchived: true)
        let noticedAt = lab.clock.now
        try lab.restart([try archived("example.com", at: noticedAt + Self.day * 365)])
        #expect(try lookup(&lab).mode == .enforce)
        let row = try #require(kept(&lab).last)
        lab.clock.advance(Self.day * 3)
        try lab.restart([row])
        #expect(try lookup(&lab).mode == .enforce)
        lab.clock.advance(Self.day * 4 - .milliseconds(1))
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
        lab.clock.advance(.milliseconds(1))
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == nil)
    }

    @Test func `STS-3.2-ab a fetch while the clock is behind does not shorten the life that was known before`() throws {
        var lab = try LedgerLab(isArchived: true)
        let fetchedAt = lab.clock.now
        try lab.restart([try archived("example.com", at: fetchedAt)])
        _ = lab.due()
        lab.clock.advance(Self.day * -30)
        let plan = try lab.nextRefresh(within: .seconds(120))
        guard case .refresh(let id) = plan.step else { throw Unexpected(what: "no refresh") }
        guard case .keep(let row)? = lab.ledger.policyLanded(plan.id, id, try fetched(), at: lab.clock.now) else {
            throw Unexpected(what: "not kept")
        }
        _ = try lab.settle(plan)
        #expect(row.fetchedAt == lab.clock.now)
        #expect(row.previousFetchedAt == fetchedAt)
        #expect(row.expiresAt == fetchedAt + Self.life)
        // With the wrong clock it is an ordinary policy: it is not fetched again and again.
        try lab.expectNothingDue(within: .seconds(3_600))
        // The clock is right again: in the same process, and in a new one.
        lab.clock.advance(fetchedAt - lab.clock.now)
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
        for restarts in [false, true] {
            if restarts { try lab.restart([row]) }
            lab.clock.advance(Self.life - .milliseconds(1))
            #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
            lab.clock.advance(.milliseconds(1))
            #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == nil)
            lab.clock.advance(.zero - Self.life)
        }
    }

    @Test func `a fetch after one by a clock that was ahead is an ordinary one`() throws {
        var lab = try LedgerLab(isArchived: true)
        try lab.restart([try archived("example.com", at: lab.clock.now + Self.day * 365)])
        try lab.refresh(try lab.nextRefresh(within: .seconds(120)), try fetched())
        let refreshedAt = lab.clock.now
        try lab.expectNothingDue(within: .seconds(3_600))
        let end = refreshedAt + Self.life
        lab.clock.advance(end - lab.clock.now - .milliseconds(1))
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
        lab.clock.advance(.milliseconds(1))
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == nil)
    }

    @Test func `the archive forgets that the clock was behind as soon as it is right again`() throws {
        var lab = try LedgerLab(isArchived: true)
        try lab.restart([try archived("example.com", at: lab.clock.now)])
        lab.clock.advance(Self.day * -30)
        #expect(try lookup(&lab).mode == .enforce)
        let behind = try #require(kept(&lab).last)
        lab.clock.advance(Self.day * 30)
        #expect(try lookup(&lab).mode == .enforce)
        let right = try #require(kept(&lab).last)
        #expect(right.clockBehindSince == nil)
        // The next boot too begins with a clock that is behind, but less. The life counts from there, not from the first time.
        lab.clock.advance(Self.day * -20)
        try lab.restart([right])
        #expect(try lookup(&lab).mode == .enforce)
        try lab.restart([behind])
        #expect(try lookup(&lab).mode == nil)
    }

    @Test func `a policy in use is still in use after a start with a clock that is behind`() throws {
        for isAsked in [false, true] {
            var lab = try LedgerLab(isArchived: true)
            let start = lab.clock.now
            lab.clock.advance(Self.day * -365)
            try lab.restart([try archived("example.com", at: start)])
            if isAsked { _ = try lookup(&lab) }
            _ = lab.due()
            lab.clock.advance(Self.day * 365)
            #expect(try lab.nextDue(within: Self.life).due.refreshes.count == 1)
        }
    }

    @Test func `a clock that is set back twice begins to count anew the second time`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched(maxAge: 2_592_000))
        _ = lab.due()
        for step in [Self.day * -40, Self.day * 40, Self.day * 10, Self.day * -40, Self.day * 40] {
            lab.clock.advance(step)
            for plan in lab.due().refreshes { try lab.refresh(plan, Self.broken) }
            #expect(try lookup(&lab).mode == .enforce, "\(step)")
        }
    }

    @Test func `the log has once how far the clock is behind, and again when it is behind again`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        #expect(lab.due().clockBehind == nil)
        for _ in 1...2 {
            lab.clock.advance(Self.day * -30)
            #expect(lab.due().clockBehind == Self.day * 30)
            lab.clock.advance(.seconds(60))
            #expect(lab.due().clockBehind == nil)
            lab.clock.advance(Self.day * 30 - .seconds(60))
            #expect(lab.due().clockBehind == nil)
        }
    }

    @Test func `steps of the wall clock are found by comparison with the time since boot, in both directions`() {
        var clocks = ClockComparison()
        var (wall, boot) = (ManualTime().now, Duration.seconds(100))
        func look(wall step: Duration, boot passed: Duration) -> Duration? {
            (wall, boot) = (wall + step, boot + passed)
            return clocks.step(wall: wall, boot: boot)
        }
        #expect(look(wall: .zero, boot: .zero) == nil)
        // The host slept: both have gone on.
        #expect(look(wall: Self.day, boot: Self.day) == nil)
        #expect(look(wall: .seconds(64), boot: .seconds(5)) == nil)
        #expect(look(wall: .seconds(65), boot: .seconds(5)) == .seconds(60))
        #expect(look(wall: .seconds(5), boot: .seconds(5)) == nil)
        #expect(look(wall: .seconds(5) - Self.day * 30, boot: .seconds(5)) == Self.day * -30)
    }
}

/// The end of an enforced policy's life is a warning, always and once.
@Suite struct LifeEndTests {
    private static let day = Duration.seconds(86_400)
    private static let broken = PolicyFinding.failed(.fetch(.http(.status(500))))

    private func ends(_ changes: [Change]) -> Int {
        changes.count { if case .lifeEnded = $0 { true } else { false } }
    }

    /// Lets time pass in minutes, refreshes failing; how often an end was told, and when first.
    private func pass(_ span: Duration, _ lab: inout LedgerLab) throws -> (count: Int, after: Duration?) {
        let start = lab.clock.now
        var (count, after) = (0, Duration?.none)
        while lab.clock.now < start + span {
            let due = lab.due()
            var found = ends(due.news.flatMap(\.changes))
            for plan in due.refreshes { found += ends(try lab.refresh(plan, Self.broken).news.changes) }
            if found > 0, after == nil { after = lab.clock.now - start }
            count += found
            lab.clock.advance(.seconds(60))
        }
        return (count, after)
    }

    @Test func `STS-10.2-c the end of a life that could not be renewed is told within a minute, once`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        let found = try pass(Self.day * 9, &lab)
        #expect(found.count == 1)
        let after = try #require(found.after)
        #expect(after >= Self.day * 7 && after <= Self.day * 7 + .seconds(60))
    }

    @Test func `after idle days, and for a life too short for a refresh, it is told too`() throws {
        for maxAge in [31_557_600, 600] {
            var lab = try LedgerLab()
            try lab.learn(fetched(maxAge: maxAge))
            // Nobody asks: the last refresh is longer ago than the life is long.
            lab.clock.advance(.seconds(maxAge) - .seconds(120))
            if maxAge > 86_400 { lab.clock.advance(.seconds(60)) }
            #expect(try pass(.seconds(600), &lab).count == 1)
        }
    }

    @Test func `after a step of the clock it is told, by a lookup that comes first too, and again after it came back`()
        throws
    {
        for asksFirst in [false, true] {
            var lab = try LedgerLab()
            try lab.learn(fetched())
            _ = lab.due()
            lab.clock.advance(Self.day * 30)
            var found = 0
            if asksFirst {
                let plan = try lab.start()
                _ = lab.land(plan, record: .failed(serverFailure))
                found = ends(try lab.settle(plan).news.changes)
                #expect(found == 1)
            }
            found += try pass(.seconds(300), &lab).count
            #expect(found == 1)
            lab.clock.advance(Self.day * -30)
            #expect(try pass(.seconds(60), &lab).count == 0)
            #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
            #expect(try pass(Self.day * 8, &lab).count == 1)
        }
    }

    @Test func `a lookup that renews the policy at once leaves nothing to tell`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        lab.clock.advance(Self.day * 30)
        #expect(ends(try lab.learn(id: "1", fetched()).news.changes) == 0)
        #expect(try pass(.seconds(600), &lab).count == 0)
    }

    @Test func `a daemon that finds it expired at its start tells it, and the next one does not`() throws {
        var lab = try LedgerLab(isArchived: true)
        let fetchedAt = lab.clock.now
        lab.clock.advance(Self.day * 8)
        try lab.restart([try archived("example.com", at: fetchedAt)])
        let news = lab.due().news
        #expect(ends(news.flatMap(\.changes)) == 1)
        #expect(news.first?.origin == .start)
        guard case .keep(let row)? = lab.ledger.takeChanges().last else { throw Unexpected(what: "not kept") }
        #expect(row.isEndLogged)
        try lab.restart([row])
        #expect(try pass(.seconds(600), &lab).count == 0)
    }

    @Test func `an end that the clock took back is logged again, after restarts too`() throws {
        var lab = try LedgerLab(isArchived: true)
        let fetchedAt = lab.clock.now
        /// The row that the archive has after a start with the clock at `age` of the policy, and the ends in the log.
        func start(with row: ArchivedPolicy, at age: Duration) throws -> (row: ArchivedPolicy, ends: Int) {
            lab.clock.advance(fetchedAt + age - lab.clock.now)
            try lab.restart([row])
            let count = ends(lab.due().news.flatMap(\.changes))
            let rows = lab.ledger.takeChanges().compactMap { if case .keep(let row) = $0 { row } else { nil } }
            return (rows.last ?? row, count)
        }
        let ahead = try start(with: try archived("example.com", at: fetchedAt), at: Self.day * 30)
        #expect(ahead.ends == 1 && ahead.row.isEndLogged)
        let right = try start(with: ahead.row, at: Self.day)
        #expect(right.ends == 0 && !right.row.isEndLogged)
        let over = try start(with: right.row, at: Self.day * 10)
        #expect(over.ends == 1 && over.row.isEndLogged)
    }

    @Test func `STS-8.3-a the end of mode none is not told`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched(mode: "none", maxAge: 86_400))
        #expect(try pass(Self.day * 2, &lab).count == 0)
    }

    @Test(arguments: [86_400, 604_800])
    func `STS-3.3-p STS-10.2-a attempts become more frequent towards the end, down to the first pause`(maxAge: Int)
        throws
    {
        var lab = try LedgerLab()
        try lab.learn(timeToLive: 3_600, fetched(maxAge: maxAge))
        let end = lab.clock.now + .seconds(maxAge)
        var tries: [WallTime] = []
        while lab.clock.now < end {
            for plan in lab.due().refreshes {
                tries.append(lab.clock.now)
                try lab.refresh(plan, Self.broken)
            }
            lab.clock.advance(.seconds(60))
        }
        let last = try #require(tries.last)
        // The first pause, a quarter more by jitter, and two minutes' grain.
        #expect(end - last <= .seconds(300 + 75 + 120))
        for (one, next) in zip(tries, tries.dropFirst()) {
            #expect(next - one >= .seconds(300))
            // Never later than half of the rest, but for the pause that RFC 8461 §3.3 demands.
            #expect(next - one <= max(.seconds(300), (end - one) / 2) + .seconds(60))
        }
    }
}

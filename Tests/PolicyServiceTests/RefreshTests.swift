import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// Policies are fetched again in the background, whatever the id says (RFC 8461 §3.3, §10.2).
@Suite struct RefreshTests {
    private static let broken = PolicyFinding.failed(.fetch(.http(.status(500))))
    private static let day = Duration.seconds(86_400)

    @Test(arguments: [
        (maxAge: 604_800, from: 64_800, to: 86_460), (31_557_600, 64_800, 86_460), (99_999_999, 64_800, 86_460),
        (86_400, 32_400, 43_260), (10_000, 3_750, 5_060), (7_201, 3_600, 3_660), (5_400, 3_600, 3_660),
    ])
    func `STS-3.3-p a policy is fetched again within a day and half its life, and not within an hour`(
        maxAge: Int, from: Int, to: Int
    ) throws {
        var lab = try LedgerLab()
        try lab.learn(fetched(maxAge: maxAge))
        let next = try lab.nextDue(within: Self.day * 2)
        #expect(next.due.refreshes.map(\.step) == [.refresh(try recordID("1"))])
        #expect(next.after >= .seconds(from))
        #expect(next.after <= .seconds(to))
    }

    @Test(arguments: [1, 60, 3_600])
    func `a policy too short-lived for that is left to the next lookup after its end`(maxAge: Int) throws {
        var lab = try LedgerLab()
        try lab.learn(timeToLive: 3_600, fetched(maxAge: maxAge))
        #expect(lab.ledger.refreshedCount == 0)
        for _ in 1...60 {
            lab.clock.advance(.seconds(60))
            #expect(lab.due().refreshes.isEmpty)
        }
        #expect(try lab.start().step == .record)
    }

    @Test func `STS-10.2-a the id is the same and the body is another: the new body is in use after the refresh`()
        throws
    {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        let plan = try lab.nextRefresh(within: Self.day * 2)
        let landing = try lab.refresh(plan, fetched(mode: "testing"))
        #expect(landing.news.changes.count == 1)
        #expect(try lab.hear(.published(try recordID("1"))).standing.mode == .testing)
    }

    @Test func `STS-8.1-b the id is bumped first, the body later: the refresh finds it`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", fetched(mx: ["old.example.com"]))
        lab.clock.advance(.seconds(300))
        // The sender stores the old body under the new id, and no further id will come.
        try lab.learn(id: "2", fetched(mx: ["old.example.com"]))
        let plan = try lab.nextRefresh(within: Self.day * 2)
        #expect(plan.step == .refresh(try recordID("2")))
        try lab.refresh(plan, fetched(mx: ["new.example.com"]))
        guard case .policy(let held) = try lab.hear(.published(try recordID("2"))).standing else {
            throw Unexpected(what: "no policy")
        }
        #expect(held.policy.mx.map(\.description) == ["new.example.com"])
    }

    @Test func `a refresh is kept under the id that DNS last published`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", fetched())
        lab.clock.advance(.seconds(300))
        try lab.learn(id: "2", Self.broken)
        let plan = try lab.nextRefresh(within: Self.day)
        #expect(plan.step == .refresh(try recordID("2")))
        let landing = try lab.refresh(plan, fetched())
        guard case .policy(let held) = landing.standing else { throw Unexpected(what: "no policy") }
        #expect(held.id == (try recordID("2")))
    }

    @Test func `STS-10.2-b TXT gone for 30 days while HTTPS works: a policy of 7 days never lapses`() throws {
        var lab = try LedgerLab()
        try lab.learn(timeToLive: 3_600, fetched())
        var refreshes = 0
        for hour in 1...(30 * 24) {
            for _ in 1...60 {
                lab.clock.advance(.seconds(60))
                for plan in lab.due().refreshes {
                    refreshes += 1
                    try lab.refresh(plan, fetched())
                }
            }
            // Mail goes there once an hour, and DNS says there is no such name.
            switch lab.ask() {
            case .answer(let standing): #expect(standing.mode == .enforce, "hour \(hour)")
            case .start(let plan, let atMost):
                #expect(atMost == .seconds(2))
                #expect(lab.land(plan, record: .absent(.nameError), timeToLive: 3_600) == .settle)
                let landing = try lab.settle(plan)
                #expect(landing.standing.mode == .enforce, "hour \(hour)")
            case .join: Issue.record("a flight hangs")
            }
        }
        #expect((30...41).contains(refreshes))
    }

    @Test func `HTTPS dead for the whole life: the policy applies to its end, the pauses double to six hours`() throws {
        var lab = try LedgerLab()
        let life = Duration.seconds(604_800)
        try lab.learn(timeToLive: 3_600, fetched())
        let end = lab.clock.now + life
        var tries: [WallTime] = []
        var told: [Int] = []
        var failures = 0
        while lab.clock.now < end {
            let due = lab.due()
            told += due.news.flatMap(\.changes).compactMap(\.percent)
            for plan in due.refreshes {
                tries.append(lab.clock.now)
                let landing = try lab.refresh(plan, Self.broken)
                #expect(landing.standing.mode == .enforce)
                failures += landing.news.changes.count { if case .fetchFailed = $0 { true } else { false } }
                told += landing.news.changes.compactMap(\.percent)
            }
            lab.clock.advance(.seconds(60))
        }
        let pauses = zip(tries, tries.dropFirst()).map { $1 - $0 }
        // The pause, up to a quarter more by jitter, and the minute's grain.
        for (pause, minutes) in zip(pauses, [5, 10, 20, 40, 80, 160, 320, 360, 360]) {
            #expect(pause >= .seconds(minutes * 60))
            #expect(pause <= .seconds(minutes * 75 + 60))
        }
        // Towards the end they become shorter again (LifeEndTests).
        let long = zip(tries, pauses).filter { end - $0.0 > .seconds(15 * 3_600) }.map(\.1)
        #expect(long.count > 15)
        #expect(long.dropFirst(7).allSatisfy { $0 >= .seconds(6 * 3_600) })
        #expect(failures == 1)
        #expect(told == [50, 90])
        // The last attempt failed just now, so a lookup waits only a moment for the record.
        guard case .start(let plan, .some(.seconds(2))) = lab.ask() else {
            throw Unexpected(what: "applied past its life")
        }
        #expect(lab.land(plan, record: .absent(.noData)) == .settle)
        #expect(try lab.settle(plan).standing == .noPolicy(.noData))
    }

    @Test func `STS-10.2-c half of a life and nine tenths are told on time, between two tries too`() throws {
        var lab = try LedgerLab()
        try lab.learn(timeToLive: 3_600, fetched(maxAge: 86_400))
        let start = lab.clock.now
        var told: [(percent: Int, after: Duration)] = []
        while lab.clock.now < start + Self.day {
            lab.clock.advance(.seconds(60))
            let due = lab.due()
            var changes = due.news.flatMap(\.changes)
            for plan in due.refreshes { changes += try lab.refresh(plan, Self.broken).news.changes }
            for change in changes {
                if let percent = change.percent { told.append((percent, lab.clock.now - start)) }
            }
        }
        #expect(told.map(\.percent) == [50, 90])
        #expect(told.map(\.after) == [.seconds(43_200), .seconds(77_760)])
    }

    @Test func `STS-8.3-a mode none, then everything removed: no alarm, and it lapses`() throws {
        var lab = try LedgerLab()
        let learnt = try lab.learn(timeToLive: 3_600, fetched(mode: "none", maxAge: 604_800))
        #expect(learnt.standing.mode == STSPolicy.Mode.none)
        let end = lab.clock.now + .seconds(604_800)
        var changes: [Change] = []
        while lab.clock.now < end {
            lab.clock.advance(.seconds(60))
            let due = lab.due()
            changes += due.news.flatMap(\.changes)
            for plan in due.refreshes { changes += try lab.refresh(plan, Self.broken).news.changes }
        }
        // The one change there is goes to the log at debug, for the mode is none (ChangeLog).
        #expect(changes.compactMap(\.percent) == [])
        #expect(changes.count == 1)
        try lab.hear(.absent(.nameError))
        #expect(try lab.answer() == .noPolicy(.nameError))
    }

    @Test func `STS-5-c mode none found by a refresh replaces enforce at once; max_age 0 removes it`() throws {
        for (mode, maxAge, change) in [("none", 86_400, "keep"), ("enforce", 0, "remove")] {
            var lab = try LedgerLab(isArchived: true)
            try lab.restart([try archived("example.com", at: lab.clock.now)])
            let plan = try lab.nextRefresh(within: Self.day * 2)
            let may = lab.ledger.mayDial([], in: plan.id)
            #expect(may)
            let kept = try lab.land(plan, id: "1", fetched(mode: mode, maxAge: maxAge))
            _ = try lab.settle(plan)
            switch kept {
            case .keep(let policy): #expect(change == "keep" && policy.fetchedAt == lab.clock.now)
            case .remove(let domain): #expect(change == "remove" && domain == lab.domain)
            default: Issue.record("the archive is told nothing of it")
            }
            #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode != .enforce)
        }
    }

    @Test
    func
        `STS-10.2-e what nobody asked for in 30 days is not refreshed, still applies, and is refreshed when asked for`()
        throws
    {
        var lab = try LedgerLab()
        try lab.learn(timeToLive: 3_600, fetched(maxAge: 31_557_600))
        let start = lab.clock.now
        var last = start
        while lab.clock.now < start + Self.day * 60 {
            lab.clock.advance(.seconds(60))
            for plan in lab.due().refreshes {
                last = lab.clock.now
                try lab.refresh(plan, fetched(maxAge: 31_557_600))
            }
        }
        #expect(last - start > Self.day * 29)
        #expect(last - start < Self.day * 30)
        #expect(lab.ledger.refreshedCount == 0)
        #expect(try lab.hear(.published(try recordID("1"))).standing.mode == .enforce)
        #expect(lab.ledger.refreshedCount == 1)
        #expect(try lab.nextDue(within: Self.day).due.refreshes.count == 1)
    }

    @Test func `STS-10.2-c what was passed while the daemon was down is told after the start`() throws {
        var lab = try LedgerLab(isArchived: true)
        let fetchedAt = lab.clock.now
        let failure = ArchivedPolicy.Failure(
            id: try recordID("1"), at: fetchedAt + Self.day * 2, count: 3, category: .fetchError,
            reason: "HTTP status 500")
        lab.clock.advance(Self.day * 5)
        try lab.restart([try archived("example.com", at: fetchedAt, asked: lab.clock.now, failure: failure)])
        let told = try lab.nextDue(within: .seconds(120)).due.news.flatMap(\.changes).compactMap(\.percent)
        #expect(told == [50])
    }

    @Test func `a recovery is told once`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        var changes: [Change] = []
        for finding in [Self.broken, Self.broken, try fetched(), try fetched()] {
            let plan = try lab.nextRefresh(within: Self.day * 2)
            changes += try lab.refresh(plan, finding).news.changes
        }
        #expect(changes.count == 2)
        #expect(changes.last == .fetchRecovered)
    }

    @Test func `the pauses go on after a restart, and what was told is not told again`() throws {
        var lab = try LedgerLab(isArchived: true)
        try lab.restart([try archived("example.com", at: lab.clock.now)])
        var kept: ArchivedPolicy?
        for _ in 1...5 {
            let plan = try lab.nextRefresh(within: Self.day * 2)
            try lab.refresh(plan, Self.broken)
            for case .keep(let policy) in lab.ledger.takeChanges() { kept = policy }
        }
        let failure = try #require(kept?.failure)
        #expect(failure.count == 5)
        #expect(failure.reason == "HTTP status 500")
        try lab.restart([try #require(kept)])
        let next = try lab.nextDue(within: Self.day)
        #expect(next.after >= .seconds(79 * 60))
        #expect(try lab.refresh(try #require(next.due.refreshes.first), Self.broken).news.changes == [])
        guard case .keep(let policy) = lab.ledger.takeChanges().last else { throw Unexpected(what: "not kept") }
        #expect(policy.failure?.count == 6)
    }
}

extension Change {
    /// How much of a life the log is told of.
    var percent: Int? {
        guard case .lifeRunsOut(let percent, _, _) = self else { return nil }
        return percent
    }
}

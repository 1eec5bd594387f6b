import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// Refreshes beside lookups, and how many there may be.
@Suite struct RefreshFlightTests {
    @Test func `a lookup does not wait for a refresh while its record is fresh`() throws {
        var lab = try LedgerLab(settings: LedgerSettings(maximumTTL: .seconds(86_400)))
        try lab.learn(timeToLive: 86_400, fetched(maxAge: 7_200))
        let plan = try lab.nextRefresh(within: .seconds(7_200))
        #expect(plan.step == .refresh(try recordID("1")))
        #expect(try lab.answer().mode == .enforce)
        let hit = lab.ledger.answer(to: lab.domain, at: lab.clock.now)
        #expect(hit?.mode == .enforce)
    }

    @Test func `where the record is stale a lookup waits two seconds for the refresh, and the next one asks DNS`()
        throws
    {
        var lab = try LedgerLab()
        try lab.learn(timeToLive: 300, fetched(maxAge: 7_200))
        let plan = try lab.nextRefresh(within: .seconds(7_200))
        guard case .join(plan.id, atMost: .some(.seconds(2))) = lab.ask() else {
            throw Unexpected(what: "not joined for two seconds")
        }
        lab.clock.advance(.seconds(3))
        #expect(try lab.answer().mode == .enforce)
        try lab.refresh(plan, fetched(mode: "testing", maxAge: 7_200))
        #expect(try lab.start().step == .record)
    }

    @Test func `a policy whose life ends during its refresh is waited for as long as it takes`() throws {
        var lab = try LedgerLab()
        try lab.learn(timeToLive: 3_600, fetched(maxAge: 3_700))
        let plan = try lab.nextRefresh(within: .seconds(3_699))
        lab.clock.advance(.seconds(200))
        guard case .join(plan.id, atMost: nil) = lab.ask() else { throw Unexpected(what: "not joined") }
        #expect(try lab.refresh(plan, fetched()).standing.mode == .enforce)
    }

    @Test func `no more refreshes at once than allowed, and each that ends makes room`() throws {
        var lab = try many(40, settings: RefreshSettings(maximumInFlight: 3))
        lab.clock.advance(.seconds(2 * 86_400))
        let first = lab.due().refreshes
        #expect(first.count == 3)
        lab.clock.advance(.seconds(60))
        let none = lab.due().refreshes
        #expect(none.isEmpty)
        try lab.refresh(first[0], fetched())
        let next = lab.due().refreshes
        #expect(next.count == 1)
    }

    @Test func `no more refreshes a minute than allowed, spread over the minute`() throws {
        var lab = try many(500, settings: RefreshSettings(maximumInFlight: 1_000, leastPerMinute: 60))
        _ = lab.due()
        lab.clock.advance(.seconds(2 * 86_400))
        var perPulse: [Int] = []
        for _ in 1...24 {
            perPulse.append(lab.due().refreshes.count)
            lab.clock.advance(.seconds(5))
        }
        // The first pulse after a silence may take what 15 seconds allow.
        #expect(perPulse.first == 15)
        #expect(perPulse.dropFirst().allSatisfy { $0 == 5 })
    }

    @Test func `no more refreshes at one address than allowed; the others come again within minutes`() throws {
        var lab = try many(10, settings: RefreshSettings(maximumPerAddress: 2))
        lab.clock.advance(.seconds(2 * 86_400))
        let plans = lab.due().refreshes
        #expect(plans.count == 10)
        let provider = try address("192.88.98.7")
        let other = try address("192.88.98.8")
        var may: [Bool] = []
        for (number, plan) in plans.enumerated() {
            may.append(lab.ledger.mayDial(number == 9 ? [other] : [provider], in: plan.id))
        }
        #expect(may == [true, true, false, false, false, false, false, false, false, true])
        for plan in plans.dropFirst(2).dropLast() {
            #expect(try lab.settle(plan).standing.mode == .enforce)
        }
        _ = try lab.land(plans[0], id: "1", fetched())
        _ = try lab.settle(plans[0])
        let again = try lab.nextDue(within: .seconds(360))
        let mayNow = lab.ledger.mayDial([provider], in: again.due.refreshes[0].id)
        #expect(mayNow)
    }

    @Test func `a domain that is being refreshed is not pushed out, and keeps its place among those that may go`()
        throws
    {
        let settings = LedgerSettings(maximumDomains: 2, refresh: RefreshSettings(maximumInFlight: 1))
        var ledger = PolicyLedger(settings: settings, isArchived: true)
        let clock = ManualTime()
        ledger.restore([try KeptPolicy(archived("first.example", at: clock.now))], at: clock.now)
        clock.advance(.seconds(2 * 86_400))
        let plan = try #require(ledger.due(at: clock.now).refreshes.first)
        for number in 1...3 {
            ledger.restore([], at: clock.now)
            guard case .start(let other, _) = ledger.asked(try domain("d\(number).example"), at: clock.now) else {
                return
            }
            let id = try recordID("1")
            if case .recall = other.step { _ = ledger.recalled(other.id, .nothing, at: clock.now) }
            _ = ledger.recordLanded(other.id, RecordReport(finding: .published(id), timeToLive: 300), at: clock.now)
            _ = ledger.policyLanded(other.id, id, try fetched(), at: clock.now)
            _ = ledger.settle(other.id, at: clock.now)
        }
        #expect(ledger.policyLanded(plan.id, try recordID("1"), try fetched(), at: clock.now) != nil)
        #expect(ledger.settle(plan.id, at: clock.now) != nil)
        #expect(ledger.count == 2)
        // It was asked for before the others, so it goes first now.
        guard case .start(let last, _) = ledger.asked(try domain("last.example"), at: clock.now) else { return }
        _ = ledger.recalled(last.id, .nothing, at: clock.now)
        #expect(ledger.standing(of: try domain("first.example"), at: clock.now) == .unknown(.unfinished))
        clock.advance(.seconds(2 * 86_400))
        let next = ledger.due(at: clock.now).refreshes
        #expect(next.count == 1)
    }

    @Test func `a clock that was set back by years makes a new plan; by a second it changes nothing`() throws {
        var lab = try many(20)
        _ = lab.due()
        lab.clock.advance(.seconds(-1))
        _ = lab.due()
        lab.clock.advance(.seconds(-3 * 365 * 86_400))
        // Every policy seems fetched in the future: it applies and is fetched again at once.
        var seen = 0
        for _ in 1...10 {
            for plan in lab.due().refreshes {
                seen += 1
                try lab.refresh(plan, fetched())
            }
            lab.clock.advance(.seconds(5))
        }
        #expect(seen == 20)
        #expect(lab.ledger.refreshedCount == 20)
        try lab.expectNothingDue(within: .seconds(86_400 * 3 / 4 - 120))
        _ = try lab.nextDue(within: .seconds(86_400))
    }

    @Test func `a clock that jumps ahead by hours and comes back neither loses a policy nor a refresh`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched(maxAge: 86_400))
        _ = lab.due()
        lab.clock.advance(.seconds(30 * 3_600))
        let none = lab.due().refreshes
        #expect(none == [])
        lab.clock.advance(.seconds(-30 * 3_600))
        let still = lab.due().refreshes
        #expect(still == [])
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
        let next = try lab.nextDue(within: .seconds(43_260))
        #expect(next.due.refreshes.count == 1)
    }

    @Test func `a fetch that failed while the clock was ahead is repeated soon after it has come back`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        _ = lab.due()
        lab.clock.advance(.seconds(6 * 86_400))
        let plan = try lab.nextRefresh(within: .seconds(86_400))
        try lab.refresh(plan, .failed(.fetch(.certificate(.notYetValid))))
        lab.clock.advance(.seconds(-6 * 86_400))
        let next = try lab.nextDue(within: .seconds(3_600))
        #expect(next.due.refreshes.count == 1)
    }

    @Test func `a refresh that a lookup waits for is tried whatever the budget says`() throws {
        let settings = LedgerSettings(refresh: RefreshSettings(maximumPerAddress: 0))
        var lab = try LedgerLab(settings: settings)
        try lab.learn(timeToLive: 3_600, fetched(maxAge: 3_700))
        let plan = try lab.nextRefresh(within: .seconds(3_699))
        lab.clock.advance(.seconds(200))
        guard case .join(plan.id, atMost: nil) = lab.ask() else { throw Unexpected(what: "not joined") }
        let may = lab.ledger.mayDial([try address("192.88.98.7")], in: plan.id)
        #expect(may)
    }

    @Test(arguments: [true, false])
    func `ten thousand policies are spread over the day, overdue at the start or not`(areOverdue: Bool) throws {
        var lab = try many(10_000, fetchedBefore: areOverdue ? .seconds(3 * 86_400) : .zero)
        var hours = Array(repeating: 0, count: 72)
        for step in 0..<(72 * 360) {
            for plan in lab.due().refreshes {
                hours[step / 360] += 1
                try lab.refresh(plan, fetched())
            }
            lab.clock.advance(.seconds(10))
        }
        let busiest = try #require(hours.max())
        #expect(busiest <= (areOverdue ? 1_000 : 2_000), "\(hours)")
        #expect(hours.reduce(0, +) >= 30_000 - 10_000)
    }

    // MARK: Preparations

    private func many(
        _ count: Int, settings: RefreshSettings = RefreshSettings(), fetchedBefore: Duration = .zero
    ) throws -> LedgerLab {
        var lab = try LedgerLab(settings: LedgerSettings(refresh: settings))
        let fetchedAt = lab.clock.now + (.zero - fetchedBefore)
        let kept = try (1...count).map {
            try KeptPolicy(archived("d\($0).example", at: fetchedAt, asked: lab.clock.now))
        }
        lab.ledger.restore(kept, at: lab.clock.now)
        return lab
    }
}

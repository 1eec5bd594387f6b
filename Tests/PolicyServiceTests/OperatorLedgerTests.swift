import Discovery
import MTASTS
import Testing
import TestSupport

@testable import PolicyService

/// What the operator orders of the ledger: a refresh now, or that a domain be forgotten.
@Suite struct OperatorLedgerTests {
    private func demand(_ lab: inout LedgerLab) throws -> FlightPlan {
        guard let plan = lab.ledger.demanded(lab.domain, at: lab.clock.now) else {
            throw Unexpected(what: "a flight is under way")
        }
        return plan
    }

    private func result(_ lab: inout LedgerLab, _ plan: FlightPlan) throws -> RefreshResult {
        guard let result = try lab.settle(plan).refresh else { throw Unexpected(what: "no result") }
        return result
    }

    // MARK: Refresh

    @Test func `a refresh asks DNS and fetches although record and policy are fresh`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        lab.clock.advance(.seconds(10))
        let plan = try demand(&lab)
        #expect(plan.step == .record)
        #expect(lab.land(plan, record: .published(try recordID("1"))) == .fetch(try recordID("1"), delay: .zero))
        _ = try lab.land(plan, id: "1", fetched())
        let result = try result(&lab, plan)
        guard case .renewed(let held) = result.outcome else { throw Unexpected(what: "\(result)") }
        #expect(held.fetchedAt == lab.clock.now)
        #expect(result.record == .published(try recordID("1")))
        #expect(result.standing == .policy(held))
    }

    @Test func `a refresh fetches although a fetch of the same id has just failed`() throws {
        var lab = try LedgerLab()
        try lab.learn(.failed(.fetch(.http(.status(500)))))
        lab.clock.advance(.seconds(10))
        let plan = try demand(&lab)
        #expect(lab.land(plan, record: .published(try recordID("1"))) == .fetch(try recordID("1"), delay: .zero))
        _ = try lab.land(plan, id: "1", fetched())
        let result = try result(&lab, plan)
        guard case .changed(from: nil, to: _) = result.outcome else { throw Unexpected(what: "\(result)") }
    }

    @Test(arguments: [("2", ["mx.example.com"]), ("1", ["new.example.com"])])
    func `another id, or another text, is a change`(id: String, mx: [String]) throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        let plan = try demand(&lab)
        _ = lab.land(plan, record: .published(try recordID(id)))
        _ = try lab.land(plan, id: id, fetched(mx: mx))
        let result = try result(&lab, plan)
        guard case .changed(.some, let new) = result.outcome else { throw Unexpected(what: "\(result)") }
        #expect(new.id.text == id)
    }

    @Test func `a domain without a record has nothing to fetch`() throws {
        var lab = try LedgerLab()
        let plan = try demand(&lab)
        #expect(lab.land(plan, record: .absent(.nameError)) == .settle)
        let result = try result(&lab, plan)
        #expect(result.outcome == .noRecord(.nameError) && result.standing == .noPolicy(.nameError))
    }

    @Test func `a TXT query that fails is told`() throws {
        var lab = try LedgerLab()
        let plan = try demand(&lab)
        #expect(lab.land(plan, record: .failed(serverFailure)) == .settle)
        let result = try result(&lab, plan)
        #expect(result.outcome == .recordFailed(serverFailure))
    }

    @Test(arguments: [RecordFinding.absent(.nameError), .failed(serverFailure)])
    func `a held policy is fetched again whatever DNS says`(finding: RecordFinding) throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        let plan = try demand(&lab)
        lab.clock.advance(.seconds(1))
        #expect(lab.land(plan, record: finding) == .fetch(try recordID("1"), delay: .zero))
        _ = try lab.land(plan, id: "1", fetched())
        let result = try result(&lab, plan)
        guard case .renewed = result.outcome else { throw Unexpected(what: "\(result)") }
        #expect(result.record == finding)
    }

    @Test func `a fetch that fails is told, and what is held stays in force`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        let plan = try demand(&lab)
        _ = lab.land(plan, record: .published(try recordID("2")))
        _ = try lab.land(plan, id: "2", .failed(.hostWithoutAddress))
        let result = try result(&lab, plan)
        #expect(result.outcome == .fetchFailed(.hostWithoutAddress))
        #expect(result.standing.mode == .enforce)
    }

    @Test func `while a refresh is under way lookups hear what is known, and those who know nothing wait for it`()
        throws
    {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        _ = try demand(&lab)
        #expect(try lab.answer().mode == .enforce)
        var fresh = try LedgerLab()
        let plan = try demand(&fresh)
        #expect(fresh.ask() == .join(plan.id, atMost: nil))
        _ = fresh.land(plan, record: .absent(.noData))
        #expect(try fresh.settle(plan).standing == .noPolicy(.noData))
    }

    @Test func `a refresh waits for a discovery that is under way, and joins another refresh of its kind`() throws {
        var lab = try LedgerLab()
        let plan = try lab.start()
        #expect(lab.ledger.demanded(lab.domain, at: lab.clock.now) == nil)
        _ = lab.land(plan, record: .absent(.noData))
        #expect(try lab.settle(plan).refresh == nil)
        _ = try demand(&lab)
        #expect(lab.ledger.demanded(lab.domain, at: lab.clock.now) == nil)
    }

    @Test func `a domain that may be in the archive is looked for there first, and fetched all the same`() throws {
        var lab = try LedgerLab(isArchived: true)
        let plan = try demand(&lab)
        #expect(plan.step == .recall)
        let record = ArchivedPolicy.Record(id: try recordID("1"), at: lab.clock.now, lifetime: .seconds(3_600))
        let kept = try KeptPolicy(archived("example.com", at: lab.clock.now, record: record))
        #expect(lab.ledger.recalled(plan.id, .policy(kept), at: lab.clock.now).next == .askRecord)
        _ = lab.land(plan, record: .published(try recordID("1")))
        _ = try lab.land(plan, id: "1", fetched())
        let result = try result(&lab, plan)
        guard case .renewed = result.outcome else { throw Unexpected(what: "\(result)") }
    }

    @Test func `a refresh is no use of the domain, and takes nothing from the background's budget`() throws {
        let settings = LedgerSettings(refresh: RefreshSettings(maximumInFlight: 1))
        var lab = try LedgerLab(settings: settings)
        try lab.learn(fetched())
        let asked = try #require(lab.ledger.report(of: lab.domain, at: lab.clock.now)).askedAt
        lab.clock.advance(.seconds(2 * 86_400))
        let plan = try demand(&lab)
        let due = lab.due()
        #expect(due.refreshes == [])
        _ = lab.land(plan, record: .published(try recordID("1")))
        _ = try lab.land(plan, id: "1", fetched())
        _ = try lab.settle(plan)
        #expect(lab.ledger.report(of: lab.domain, at: lab.clock.now)?.askedAt == asked)
        let next = try lab.nextDue(within: .seconds(86_460))
        #expect(next.due.refreshes.count == 1)
    }

    @Test func `a refresh that the end cuts short is unfinished`() throws {
        var lab = try LedgerLab()
        let plan = try demand(&lab)
        let result = try result(&lab, plan)
        #expect(result == RefreshResult(outcome: .unfinished, record: nil, standing: .unknown(.unfinished)))
    }

    @Test func `what is found out is told with who asked for it`() throws {
        var lab = try LedgerLab()
        #expect(try lab.learn(fetched()).news.origin == .lookup)
        let plan = try demand(&lab)
        #expect(try lab.settle(plan).news.origin == .admin)
        let refresh = try lab.nextRefresh(within: .seconds(2 * 86_400))
        #expect(try lab.refresh(refresh, fetched()).news.origin == .refresh)
    }

    // MARK: Forget

    private func forget(_ lab: inout LedgerLab) -> (wasKnown: Bool, changes: [ArchiveChange]) {
        _ = lab.ledger.takeChanges()
        let wasKnown = lab.ledger.forget(lab.domain, at: lab.clock.now)
        return (wasKnown, lab.ledger.takeChanges())
    }

    private func archivedLab() throws -> LedgerLab {
        var lab = try LedgerLab(isArchived: true)
        try lab.restart([try archived("example.com", at: lab.clock.now)])
        return lab
    }

    @Test func `what is forgotten is gone here and in the archive, and not refreshed`() throws {
        var lab = try archivedLab()
        let (wasKnown, changes) = forget(&lab)
        #expect(wasKnown)
        #expect(changes == [.remove(lab.domain)])
        #expect(lab.ledger.count == 0 && lab.ledger.refreshedCount == 0)
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now) == .unknown(.unfinished))
        let plan = try lab.start()
        #expect(plan.step == .record)
    }

    @Test func `a domain that is not here is removed from the archive all the same`() throws {
        var lab = try LedgerLab(isArchived: true)
        let (wasKnown, changes) = forget(&lab)
        #expect(!wasKnown)
        #expect(changes == [.remove(lab.domain)])
    }

    @Test func `loading does not bring back what was forgotten meanwhile`() throws {
        var lab = try LedgerLab(isArchived: true)
        let load = lab.ledger.restoring()
        _ = forget(&lab)
        lab.ledger.restore([try KeptPolicy(archived("example.com", at: lab.clock.now))], at: lab.clock.now)
        lab.ledger.restored(load)
        #expect(lab.ledger.count == 0)
    }

    @Test func `a look into the archive does not bring back what was forgotten meanwhile`() throws {
        var lab = try LedgerLab(isArchived: true)
        let plan = try lab.start()
        #expect(plan.step == .recall)
        _ = forget(&lab)
        let kept = Recollection.policy(try KeptPolicy(archived("example.com", at: lab.clock.now)))
        #expect(lab.ledger.recalled(plan.id, kept, at: lab.clock.now).next == .askRecord)
        _ = lab.land(plan, record: .absent(.noData))
        #expect(try lab.settle(plan).standing == .noPolicy(.noData))
    }

    @Test func `what a discovery that somebody waits for brings is news, and is kept`() throws {
        var lab = try archivedLab()
        lab.clock.advance(.seconds(86_400))
        let plan = try lab.start()
        let (_, changes) = forget(&lab)
        #expect(changes == [.remove(lab.domain)])
        #expect(lab.ask() == .join(plan.id, atMost: nil))
        #expect(lab.land(plan, record: .published(try recordID("2"))) == .fetch(try recordID("2"), delay: .zero))
        let kept = try lab.land(plan, id: "2", fetched())
        #expect(kept != nil)
        let landing = try lab.settle(plan)
        #expect(landing.standing.mode == .enforce)
        guard case .learnt = landing.news.changes.first else { throw Unexpected(what: "\(landing.news)") }
        #expect(try lab.answer().mode == .enforce)
        // And may be loaded from the archive again.
        #expect(lab.ledger.forgotten == [])
    }

    @Test func `a policy that is on its way into the archive is not removed behind its back`() throws {
        var lab = try LedgerLab()
        lab.ledger = PolicyLedger(isArchived: true)
        lab.ledger.restored(lab.ledger.restoring())
        let plan = try lab.start()
        _ = lab.land(plan, record: .published(try recordID("1")))
        _ = try lab.land(plan, id: "1", fetched())
        let (_, changes) = forget(&lab)
        #expect(changes == [])
        #expect(try lab.settle(plan).standing.mode == .enforce)
    }

    @Test func `what a mere refresh brings after that is dropped, and its room is free again`() throws {
        let settings = LedgerSettings(refresh: RefreshSettings(maximumInFlight: 1))
        var lab = try LedgerLab(settings: settings)
        try lab.learn(fetched())
        let plan = try lab.nextRefresh(within: .seconds(2 * 86_400))
        let wasKnown = lab.ledger.forget(lab.domain, at: lab.clock.now)
        #expect(wasKnown)
        // A lookup begins anew beside it.
        let other = try lab.start()
        #expect(other.step == .record)
        let mayDial = lab.ledger.mayDial([try address("192.88.98.1")], in: plan.id)
        #expect(!mayDial)
        #expect(try lab.land(plan, id: "1", fetched()) == nil)
        #expect(lab.ledger.settle(plan.id, at: lab.clock.now) == nil)
        #expect(lab.ask() == .join(other.id, atMost: nil))
        _ = lab.land(other, record: .published(try recordID("1")))
        _ = try lab.land(other, id: "1", fetched())
        _ = try lab.settle(other)
        let next = try lab.nextRefresh(within: .seconds(2 * 86_400))
        #expect(next.domain == lab.domain)
    }

    @Test func `a refresh that a lookup waits for lands after all`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched(maxAge: 86_400))
        let plan = try lab.nextRefresh(within: .seconds(2 * 86_400))
        lab.clock.advance(.seconds(86_400))
        #expect(lab.ask() == .join(plan.id, atMost: nil))
        _ = lab.ledger.forget(lab.domain, at: lab.clock.now)
        #expect(try lab.refresh(plan, fetched()).standing.mode == .enforce)
    }

    // MARK: The calendar

    @Test(arguments: [0, 1, 59_999])
    func `no appointment is made for a minute that has begun`(milliseconds: Int) throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        lab.clock.advance(.milliseconds(milliseconds))
        var entry = try #require(lab.ledger.entries.peek(lab.domain))
        for overdue in [Duration.zero, .seconds(1), .seconds(86_400)] {
            entry.refreshAt = lab.clock.now + (.zero - overdue)
            lab.ledger.appoint(&entry, of: lab.domain, at: lab.clock.now)
            #expect(lab.ledger.calendar.dueCount(at: lab.clock.now) == 0)
            #expect(lab.ledger.calendar.dueCount(at: lab.clock.now + .seconds(60)) == 1)
        }
        #expect(lab.ledger.calendar.count == 1)
    }
}

import Discovery
import MTASTS
import Testing
import TestSupport

@testable import PolicyService

/// What this host fails at says nothing about a domain: it is remembered for 2 s, and is no failed fetch.
@Suite struct LocalFailureTests {
    private static let fetches: [PolicyFailure] = [
        .fetch(.noSlot(.notDialled(within: .seconds(30)))), .fetch(.noSlot(.queueFull)),
        .fetch(.noSlot(.interrupted(within: .seconds(30)))), .fetch(.transport(.local("Too many open files"))),
        .hostLookup(noDescriptor("mta-sts.example.com", .a)),
    ]

    private static func noDescriptor(_ name: String, _ type: RecordType) -> DNSFailure {
        DNSFailure(question: DNSQuestion(name: name, type: type), cause: .local("no descriptor"), servers: [])
    }

    @Test(arguments: fetches) func `STS-3.3-j a fetch that this host failed at is tried again after 2 s, not 5 minutes`(
        _ failure: PolicyFailure
    ) throws {
        var lab = try LedgerLab()
        let landing = try lab.learn(id: "1", timeToLive: 3_600, .failed(failure))
        #expect(landing.standing == .unknown(.local(.policy(failure))))
        #expect(landing.news.changes == [.fetchFailedLocally(failure, held: nil)])
        lab.clock.advance(.milliseconds(1_999))
        #expect(try lab.answer() == .unknown(.local(.policy(failure))))
        lab.clock.advance(.milliseconds(1))
        guard case .start(let plan, nil) = lab.ask() else { throw Unexpected(what: "not waited for as a first answer") }
        #expect(plan.step == .policy(try recordID("1")))
        // Told once, until a fetch ends.
        _ = try lab.land(plan, id: "1", .failed(failure))
        #expect(try lab.settle(plan).news.changes == [])
    }

    @Test(arguments: fetches) func `it is no failed fetch: none is shown, counted or kept`(_ failure: PolicyFailure)
        throws
    {
        var lab = try LedgerLab(isArchived: true)
        _ = lab.ledger.restoring()
        lab.ledger.restored(1)
        try lab.learn(id: "1", .failed(failure))
        let report = lab.ledger.report(of: lab.domain, at: lab.clock.now)
        #expect(report?.failure == nil)
        #expect(report?.isFailing == false)
        #expect(lab.ledger.takeChanges() == [])
        #expect(failure.category == nil)
    }

    @Test func `a cached policy still applies, and is not called failing`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 60, fetched())
        lab.clock.advance(.seconds(60))
        let failure = Self.fetches[0]
        let plan = try lab.start()
        _ = lab.land(plan, record: .published(try recordID("2")), timeToLive: 3_600)
        _ = try lab.land(plan, id: "2", .failed(failure))
        #expect(try lab.settle(plan).standing.mode == .enforce)
        #expect(try lab.answer().mode == .enforce)
        #expect(lab.ledger.report(of: lab.domain, at: lab.clock.now)?.isFailing == false)
        lab.clock.advance(.seconds(2))
        let next = try lab.start()
        #expect(next.step == .policy(try recordID("2")))
        _ = try lab.land(next, id: "2", fetched(mx: ["new.example.com"]))
        #expect(try lab.settle(next).news.changes.first == .fetchRecovered)
    }

    @Test func `it does not end the pause after a failure of the policy host`() throws {
        var lab = try LedgerLab()
        try lab.learn(id: "1", timeToLive: 60, .failed(.fetch(.http(.status(500)))))
        lab.clock.advance(.seconds(60))
        let plan = try lab.start()
        _ = lab.land(plan, record: .published(try recordID("2")), timeToLive: 3_600)
        _ = try lab.land(plan, id: "2", .failed(Self.fetches[0]))
        _ = try lab.settle(plan)
        let failure = try #require(lab.ledger.report(of: lab.domain, at: lab.clock.now)?.failure)
        #expect(failure.id == (try recordID("1")))
        #expect(failure.count == 1)
    }

    @Test func `a refresh that this host failed at is tried again within minutes, without a longer pause`() throws {
        var lab = try LedgerLab()
        try lab.learn(timeToLive: 300, fetched(maxAge: 7_200))
        let plan = try lab.nextRefresh(within: .seconds(7_200))
        try lab.refresh(plan, .failed(Self.fetches[0]))
        let again = try lab.nextDue(within: .seconds(600))
        #expect(again.after <= .seconds(360))
        #expect(again.due.refreshes.count == 1)
    }

    @Test func `the operator's refresh says what this host failed at`() throws {
        var lab = try LedgerLab()
        let demanded = lab.ledger.demanded(lab.domain, at: lab.clock.now)
        let plan = try #require(demanded)
        _ = lab.land(plan, record: .published(try recordID("1")))
        _ = try lab.land(plan, id: "1", .failed(Self.fetches[1]))
        #expect(try lab.settle(plan).refresh?.outcome == .fetchFailed(Self.fetches[1]))
    }

    @Test func `a TXT question that this host failed at is asked again after 2 s, not 60`() throws {
        var lab = try LedgerLab()
        let failure = Self.noDescriptor("_mta-sts.example.com", .txt)
        #expect(try lab.hear(.failed(failure)).standing == .unknown(.local(.record(failure))))
        lab.clock.advance(.milliseconds(1_999))
        #expect(try lab.answer() == .unknown(.local(.record(failure))))
        #expect(lab.ledger.report(of: lab.domain, at: lab.clock.now)?.isFailing == false)
        lab.clock.advance(.milliseconds(1))
        guard case .start(let plan, nil) = lab.ask() else { throw Unexpected(what: "not waited for as a first answer") }
        #expect(plan.step == .record)
    }

    // MARK: How urgent a fetch is

    @Test func `a fetch is a first contact, a retry after a failure, or for a cached policy`() throws {
        var lab = try LedgerLab()
        var plan = try lab.start()
        _ = lab.land(plan, record: .published(try recordID("1")), timeToLive: 60)
        #expect(lab.ledger.purpose(of: plan.id, at: lab.clock.now) == .firstContact)
        _ = try lab.land(plan, id: "1", .failed(Self.fetches[0]))
        _ = try lab.settle(plan)
        lab.clock.advance(.seconds(2))
        plan = try lab.start()
        #expect(lab.ledger.purpose(of: plan.id, at: lab.clock.now) == .firstContact)
        _ = try lab.land(plan, id: "1", .failed(.fetch(.http(.status(500)))))
        _ = try lab.settle(plan)
        lab.clock.advance(.seconds(300))
        plan = try lab.start()
        _ = lab.land(plan, record: .published(try recordID("1")), timeToLive: 60)
        #expect(lab.ledger.purpose(of: plan.id, at: lab.clock.now) == .retry)
        _ = try lab.land(plan, id: "1", fetched())
        _ = try lab.settle(plan)
        lab.clock.advance(.seconds(60))
        plan = try lab.start()
        _ = lab.land(plan, record: .published(try recordID("2")))
        #expect(lab.ledger.purpose(of: plan.id, at: lab.clock.now) == .cachedPolicy)
    }
}

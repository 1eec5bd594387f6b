import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// Memory is bounded, and what is worth most goes last.
@Suite struct LedgerMemoryTests {
    private let now = WallTime(milliseconds: 1_767_225_600_000)

    @Test func `an enforced policy is not pushed out by unknown domains`() throws {
        var ledger = PolicyLedger(settings: LedgerSettings(maximumDomains: 100))
        let precious = try domain("precious.example")
        try learn(precious, fetched(), in: &ledger)
        for number in 1...10_000 { try deny(try domain("spam\(number).example"), in: &ledger) }
        #expect(ledger.count == 100)
        #expect(ledger.standing(of: precious, at: now).mode == .enforce)
    }

    @Test func `negatives go first, then testing and none, then the enforced policy asked for longest ago`() throws {
        var ledger = PolicyLedger(settings: LedgerSettings(maximumDomains: 4))
        let names = ["old.example", "new.example", "testing.example", "absent.example"]
        let domains = try names.map { try domain($0) }
        try learn(domains[0], fetched(), in: &ledger)
        try learn(domains[1], fetched(), in: &ledger)
        try learn(domains[2], fetched(mode: "testing"), in: &ledger)
        try deny(domains[3], in: &ledger)
        // Asked for lately, so it outlives the other enforced one.
        _ = ledger.asked(domains[0], at: now)
        for (round, gone) in [3, 2, 1].enumerated() {
            try learn(try domain("round\(round).example"), fetched(), in: &ledger)
            #expect(ledger.standing(of: domains[gone], at: now) == .unknown(.unfinished), "\(domains[gone])")
            #expect(ledger.standing(of: domains[0], at: now).mode == .enforce)
        }
        #expect(ledger.count == 4)
    }

    @Test func `a domain with a discovery under way is not pushed out`() throws {
        var ledger = PolicyLedger(settings: LedgerSettings(maximumDomains: 2))
        guard case .start(let plan, _) = ledger.asked(try domain("flying.example"), at: now) else { return }
        for number in 1...100 { try deny(try domain("spam\(number).example"), in: &ledger) }
        _ = ledger.recordLanded(plan.id, RecordReport(finding: .absent(.noData), timeToLive: 60), at: now)
        #expect(ledger.settle(plan.id, at: now)?.standing == .noPolicy(.noData))
    }

    private func learn(_ domain: PolicyDomain, _ finding: PolicyFinding, in ledger: inout PolicyLedger) throws {
        guard case .start(let plan, _) = ledger.asked(domain, at: now) else { throw Unexpected(what: "no flight") }
        let id = try recordID("1")
        _ = ledger.recordLanded(plan.id, RecordReport(finding: .published(id), timeToLive: 300), at: now)
        _ = ledger.policyLanded(plan.id, id, finding, at: now)
        _ = ledger.settle(plan.id, at: now)
    }

    private func deny(_ domain: PolicyDomain, in ledger: inout PolicyLedger) throws {
        guard case .start(let plan, _) = ledger.asked(domain, at: now) else { throw Unexpected(what: "no flight") }
        _ = ledger.recordLanded(plan.id, RecordReport(finding: .absent(.nameError), timeToLive: 300), at: now)
        _ = ledger.settle(plan.id, at: now)
    }
}

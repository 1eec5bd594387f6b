import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// What comes back from an archive, what goes to it, and what memory may forget (RFC 8461 §10.2).
@Suite struct LedgerArchiveTests {
    private let clock = ManualTime()
    private let spam = 1_000

    @Test func `while the archive is being loaded, an unknown domain is looked for in it first`() throws {
        var lab = try LedgerLab(isArchived: true)
        _ = lab.ledger.restoring()
        #expect(try lab.start().step == .recall)
    }

    @Test func `once all is loaded, an unknown domain goes straight to DNS`() throws {
        var lab = try LedgerLab(isArchived: true)
        try lab.restart([])
        #expect(try lab.start().step == .record)
    }

    @Test func `a recalled policy with a fresh record is answered without DNS`() throws {
        var lab = try LedgerLab(isArchived: true)
        let plan = try lab.start()
        let record = ArchivedPolicy.Record(id: try recordID("1"), at: lab.clock.now, lifetime: .seconds(300))
        let kept = try KeptPolicy(archived("example.com", at: lab.clock.now, record: record))
        let recalled = lab.ledger.recalled(plan.id, .policy(kept), at: lab.clock.now)
        #expect(recalled == Recalled(next: .settle, patience: .seconds(2)))
        #expect(try lab.settle(plan).standing.mode == .enforce)
        #expect(try lab.answer().mode == .enforce)
    }

    @Test func `a recalled policy with a stale record is news to wait two seconds for`() throws {
        var lab = try LedgerLab(isArchived: true)
        let plan = try lab.start()
        lab.clock.advance(.seconds(1))
        let kept = try KeptPolicy(archived("example.com", at: lab.clock.now))
        let recalled = lab.ledger.recalled(plan.id, .policy(kept), at: lab.clock.now)
        #expect(recalled == Recalled(next: .askRecord, patience: .seconds(2)))
        guard case .join(plan.id, atMost: .some(.seconds(2))) = lab.ask() else { throw Unexpected(what: "not joined") }
        #expect(lab.land(plan, record: .failed(serverFailure)) == .settle)
        #expect(try lab.settle(plan).standing.mode == .enforce)
    }

    @Test func `a recalled policy that another id was published for is fetched`() throws {
        var lab = try LedgerLab(isArchived: true)
        let plan = try lab.start()
        let record = ArchivedPolicy.Record(id: try recordID("2"), at: lab.clock.now, lifetime: .seconds(300))
        let kept = try KeptPolicy(archived("example.com", at: lab.clock.now, record: record))
        let recalled = lab.ledger.recalled(plan.id, .policy(kept), at: lab.clock.now)
        #expect(recalled.next == .fetch(try recordID("2"), delay: .zero))
    }

    @Test func `STS-3.3-j the five minutes after a failed fetch hold across a restart`() throws {
        var lab = try LedgerLab(isArchived: true)
        let record = ArchivedPolicy.Record(id: try recordID("2"), at: lab.clock.now, lifetime: .seconds(3_600))
        let failure = ArchivedPolicy.Failure(
            id: try recordID("2"), at: lab.clock.now, count: 1, category: .fetchError, reason: "HTTP status 500")
        try lab.restart([try archived("example.com", at: lab.clock.now, record: record, failure: failure)])
        lab.clock.advance(.seconds(299))
        #expect(try lab.answer().mode == .enforce)
        lab.clock.advance(.seconds(1))
        #expect(try lab.start().step == .policy(try recordID("2")))
    }

    @Test func `what could not be read is looked for again within min-ttl, though DNS says there is nothing`() throws {
        var lab = try LedgerLab(isArchived: true)
        let plan = try lab.start()
        let first = lab.ledger.recalled(plan.id, .unreadable, at: lab.clock.now)
        #expect(first == Recalled(next: .askRecord, patience: nil))
        #expect(lab.land(plan, record: .absent(.nameError), timeToLive: 3_600) == .settle)
        #expect(try lab.settle(plan).standing == .noPolicy(.nameError))
        lab.clock.advance(.seconds(60))
        let again = try lab.start()
        #expect(again.step == .recall)
        let kept = try KeptPolicy(archived("example.com", at: lab.clock.now))
        _ = lab.ledger.recalled(again.id, .policy(kept), at: lab.clock.now)
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
    }

    @Test
    func `a later fetch in an archive that was put in place of ours replaces what is known, an earlier one does not`()
        throws
    {
        var lab = try LedgerLab(isArchived: true)
        let old = lab.clock.now
        lab.clock.advance(.seconds(100))
        try lab.restart([try archived("example.com", at: lab.clock.now + .seconds(-50))])
        let text = policyText(mode: "testing")
        lab.ledger.restore([try KeptPolicy(archived("example.com", text: text, at: old))], at: lab.clock.now)
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
        lab.ledger.restore([try KeptPolicy(archived("example.com", text: text, at: lab.clock.now))], at: lab.clock.now)
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .testing)
    }

    @Test func `a fetch in the future in such an archive is no later than when the clock was seen behind`() throws {
        var lab = try LedgerLab(isArchived: true)
        let text = policyText(mode: "testing")
        func ahead(since: WallTime?) throws -> ArchivedPolicy {
            let fetchedAt = lab.clock.now + .seconds(3_000 * 86_400)
            return ArchivedPolicy(
                domain: lab.domain, text: Array(text.utf8), id: try recordID("2"), fetchedAt: fetchedAt,
                expiresAt: fetchedAt + .seconds(604_800), askedAt: lab.clock.now, clockBehindSince: since)
        }
        try lab.restart([try archived("example.com", at: lab.clock.now + .seconds(-300))])
        for since in [lab.clock.now + .seconds(-400), nil] {
            lab.ledger.restore([try KeptPolicy(ahead(since: since))], at: lab.clock.now)
            #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
        }
        lab.ledger.restore([try KeptPolicy(ahead(since: lab.clock.now + .seconds(-200)))], at: lab.clock.now)
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .testing)
    }

    @Test func `of two loadings at once only the last one makes sure of what is not there`() throws {
        var lab = try LedgerLab(isArchived: true)
        let first = lab.ledger.restoring()
        let second = lab.ledger.restoring()
        lab.ledger.restored(first)
        #expect(try lab.start().step == .recall)
        lab.ledger.restored(second)
        guard case .start(let plan, _) = lab.ledger.asked(try domain("other.example"), at: lab.clock.now) else {
            return
        }
        #expect(plan.step == .record)
    }

    @Test func `what memory had no room for once is looked for in the archive after another loading too`() throws {
        var ledger = PolicyLedger(settings: LedgerSettings(maximumDomains: 2), isArchived: true)
        ledger.restored(ledger.restoring())
        for name in ["first.example", "second.example", "third.example"] { try learn(try domain(name), in: &ledger) }
        ledger.restored(ledger.restoring())
        guard case .start(let plan, _) = ledger.asked(try domain("first.example"), at: clock.now) else { return }
        #expect(plan.step == .recall)
    }

    @Test func `a policy that is over is not kept again by a failing fetch`() throws {
        var lab = try LedgerLab(isArchived: true)
        try lab.restart([try archived("example.com", at: lab.clock.now)])
        lab.clock.advance(.seconds(604_800))
        try lab.learn(.failed(.hostWithoutAddress))
        // Once, with the note that the log has its end.
        #expect(lab.ledger.takeChanges().count == 1)
        lab.clock.advance(.seconds(300))
        try lab.learn(.failed(.hostWithoutAddress))
        #expect(lab.ledger.takeChanges() == [])
    }

    @Test func `nothing in the archive: DNS is asked, with full patience`() throws {
        var lab = try LedgerLab(isArchived: true)
        let plan = try lab.start()
        let recalled = lab.ledger.recalled(plan.id, .nothing, at: lab.clock.now)
        #expect(recalled == Recalled(next: .askRecord, patience: nil))
        guard case .join(plan.id, atMost: nil) = lab.ask() else { throw Unexpected(what: "not joined") }
    }

    @Test func `a policy whose life is over is not applied when it comes back, and is when the clock comes back`()
        throws
    {
        var lab = try LedgerLab(isArchived: true)
        let fetchedAt = lab.clock.now
        lab.clock.advance(.seconds(10 * 365 * 86_400))
        try lab.restart([try archived("example.com", at: fetchedAt)])
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).isUnknown)
        lab.clock.advance(.seconds(-10 * 365 * 86_400))
        #expect(lab.ledger.standing(of: lab.domain, at: lab.clock.now).mode == .enforce)
    }

    @Test func `what is known already is not replaced by what the archive kept`() throws {
        var lab = try LedgerLab(isArchived: true)
        let plan = try lab.start()
        _ = lab.ledger.recalled(plan.id, .nothing, at: lab.clock.now)
        _ = lab.land(plan, record: .published(try recordID("2")))
        _ = try lab.land(plan, id: "2", fetched(mode: "testing"))
        _ = try lab.settle(plan)
        lab.ledger.restore([try KeptPolicy(archived("example.com", at: lab.clock.now))], at: lab.clock.now)
        #expect(try lab.answer().mode == .testing)
    }

    @Test func `a policy that is loaded during its own discovery is not lost`() throws {
        var lab = try LedgerLab(isArchived: true)
        let plan = try lab.start()
        lab.ledger.restore([try KeptPolicy(archived("example.com", at: lab.clock.now))], at: lab.clock.now)
        _ = lab.ledger.recalled(plan.id, .nothing, at: lab.clock.now)
        #expect(lab.land(plan, record: .absent(.nameError)) == .settle)
        #expect(try lab.settle(plan).standing.mode == .enforce)
    }

    @Test func `STS-10.2-d unknown domains never push an enforced policy out, and it is never deleted on disk`() throws
    {
        var ledger = PolicyLedger(settings: LedgerSettings(maximumDomains: 100), isArchived: true)
        let load = ledger.restoring()
        try ledger.restore([KeptPolicy(archived("precious.example", at: clock.now))], at: clock.now)
        ledger.restored(load)
        for number in 1...spam { try deny(try domain("spam\(number).example"), in: &ledger) }
        #expect(ledger.count == 100)
        let precious = try domain("precious.example")
        #expect(ledger.standing(of: precious, at: clock.now).mode == .enforce)
        #expect(ledger.takeChanges() == [])
    }

    @Test func `an enforced policy that memory has no room for is read again when it is asked for`() throws {
        var ledger = PolicyLedger(settings: LedgerSettings(maximumDomains: 2), isArchived: true)
        let load = ledger.restoring()
        ledger.restored(load)
        for name in ["first.example", "second.example", "third.example"] { try learn(try domain(name), in: &ledger) }
        #expect(ledger.takeChanges() == [])
        guard case .start(let plan, _) = ledger.asked(try domain("first.example"), at: clock.now) else { return }
        #expect(plan.step == .recall)
    }

    @Test func `what is pushed out besides is deleted in the archive too`() throws {
        var ledger = PolicyLedger(settings: LedgerSettings(maximumDomains: 2), isArchived: true)
        let load = ledger.restoring()
        ledger.restored(load)
        for (name, mode) in [
            ("t.example", "testing"), ("n.example", "none"), ("e.example", "enforce"), ("f.example", "enforce"),
        ] {
            try learn(try domain(name), mode: mode, in: &ledger)
        }
        #expect(ledger.takeChanges() == [.remove(try domain("t.example")), .remove(try domain("n.example"))])
        guard case .start(let plan, _) = ledger.asked(try domain("t.example"), at: clock.now) else { return }
        #expect(plan.step == .record)
    }

    @Test func `more in the archive than memory has room for: the rest is found when it is asked for`() throws {
        var ledger = PolicyLedger(settings: LedgerSettings(maximumDomains: 10), isArchived: true)
        let load = ledger.restoring()
        let kept = try (1...20).map { try KeptPolicy(archived("d\($0).example", at: clock.now)) }
        ledger.restore(kept, at: clock.now)
        ledger.restored(load)
        #expect(ledger.count == 10)
        guard case .start(let plan, _) = ledger.asked(try domain("d20.example"), at: clock.now) else { return }
        #expect(plan.step == .recall)
    }

    @Test func `loading pushes unknown domains out, and no policy`() throws {
        var ledger = PolicyLedger(settings: LedgerSettings(maximumDomains: 10), isArchived: true)
        let load = ledger.restoring()
        for number in 1...5 { try deny(try domain("spam\(number).example"), in: &ledger) }
        let kept = try (1...20).map {
            try KeptPolicy(
                archived("d\($0).example", text: policyText(mode: $0 > 10 ? "testing" : "enforce"), at: clock.now))
        }
        ledger.restore(kept, at: clock.now)
        ledger.restored(load)
        #expect(ledger.count == 10)
        for number in 1...10 {
            #expect(ledger.standing(of: try domain("d\(number).example"), at: clock.now).mode == .enforce)
        }
        #expect(ledger.takeChanges() == [])
    }

    @Test func `a failed refresh is kept with its count and reason`() throws {
        var lab = try LedgerLab(isArchived: true)
        try lab.restart([try archived("example.com", at: lab.clock.now)])
        let plan = try lab.nextRefresh(within: .seconds(2 * 86_400))
        try lab.refresh(plan, .failed(.fetch(.certificate(.expired))))
        guard case .keep(let kept)? = lab.ledger.takeChanges().last else { throw Unexpected(what: "not kept") }
        #expect(kept.failure?.category == .webPKIInvalid)
        #expect(kept.failure?.reason == "certificate: expired")
        #expect(kept.text == Array(policyText().utf8))
    }

    private func learn(_ domain: PolicyDomain, mode: String = "enforce", in ledger: inout PolicyLedger) throws {
        guard case .start(let plan, _) = ledger.asked(domain, at: clock.now) else {
            throw Unexpected(what: "no flight")
        }
        let id = try recordID("1")
        if plan.step == .recall { _ = ledger.recalled(plan.id, .nothing, at: clock.now) }
        _ = ledger.recordLanded(plan.id, RecordReport(finding: .published(id), timeToLive: 300), at: clock.now)
        _ = ledger.policyLanded(plan.id, id, try fetched(mode: mode), at: clock.now)
        _ = ledger.settle(plan.id, at: clock.now)
    }

    private func deny(_ domain: PolicyDomain, in ledger: inout PolicyLedger) throws {
        guard case .start(let plan, _) = ledger.asked(domain, at: clock.now) else {
            throw Unexpected(what: "no flight")
        }
        if plan.step == .recall { _ = ledger.recalled(plan.id, .nothing, at: clock.now) }
        _ = ledger.recordLanded(plan.id, RecordReport(finding: .absent(.nameError), timeToLive: 300), at: clock.now)
        _ = ledger.settle(plan.id, at: clock.now)
    }
}

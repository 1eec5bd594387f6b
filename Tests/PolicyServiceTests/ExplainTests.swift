import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// Why a destination is answered as it is, and what happens next.
@Suite(.timeLimit(.minutes(5))) struct ExplainTests {
    private typealias Lab = PolicyServiceTests.Lab

    private func explain(_ name: String = "example.com", in lab: Lab) async throws -> Explanation {
        await lab.service.explain(DANEDestination(domain: try domain(name)))
    }

    @Test func `of a domain that nobody knows, the next lookup asks for the record`() async throws {
        let lab = Lab(keepsNothing: true)
        let explanation = try await explain(in: lab)
        #expect(explanation.decision == Decision(rule: .unknown, action: .notFound))
        #expect(explanation.standing == .unknown(.unfinished))
        #expect(explanation.next == .asksRecord)
        #expect(explanation.entry == nil && explanation.dane == nil && explanation.override == nil)
    }

    @Test func `of a policy it tells where it is from, and until when what holds`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        try await lab.run {
            _ = try await lab.answer("example.com")
            let learntAt = lab.clock.now
            lab.clock.advance(.seconds(100))
            let explanation = try await explain(in: lab)
            #expect(explanation.at == lab.clock.now)
            #expect(explanation.decision.rule == .enforce && explanation.withheld == nil)
            let entry = try #require(explanation.entry)
            #expect(entry.state == .enforce && entry.isApplied && !entry.isFailing && !entry.isInArchiveOnly)
            #expect(entry.policy?.fetchedAt == learntAt && entry.policy?.id.text == "1")
            #expect(entry.record?.finding == .published(try recordID("1")))
            #expect(entry.record?.at == learntAt && entry.record?.freshUntil == learntAt + .seconds(300))
            #expect(explanation.next == .answeredAtOnce(until: learntAt + .seconds(300)))
            let refreshAt = try #require(entry.refreshAt)
            #expect(refreshAt > learntAt + .seconds(60_000) && refreshAt < learntAt + .seconds(86_401))
            lab.clock.advance(.seconds(200))
            let later = try await explain(in: lab)
            #expect(later.next == .asksRecord)
            #expect(later.decision.rule == .enforce)
        }
        #expect(lab.resolver.count("_mta-sts.example.com", .txt) == 1)
    }

    @Test func `a life that ends before the record is fresh no more comes first`() async throws {
        let lab = Lab()
        lab.publish("example.com", policy: policyText(maxAge: 100))
        try await lab.run {
            _ = try await lab.answer("example.com")
            let start = lab.clock.now
            let next = try await explain(in: lab).next
            #expect(next == .answeredAtOnce(until: start + .seconds(100)))
            lab.clock.advance(.seconds(100))
            let explanation = try await explain(in: lab)
            #expect(explanation.next == .fetches(try recordID("1")))
            #expect(explanation.standing == .unknown(.unfinished))
            #expect(explanation.entry?.policy != nil && explanation.entry?.isApplied == false)
        }
    }

    @Test func `of a fetch that failed it tells when, why, and when it is tried again`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        lab.fetcher.script("mta-sts.example.com", .failure(.certificate(.expired)))
        try await lab.run {
            _ = try await lab.answer("example.com")
            let failedAt = lab.clock.now
            let explanation = try await explain(in: lab)
            let failure = PolicyFailure.fetch(.certificate(.expired))
            #expect(explanation.decision.rule == .unknown)
            #expect(explanation.entry?.failure?.failure == failure && explanation.entry?.failure?.at == failedAt)
            #expect(explanation.entry?.isFailing == true)
            #expect(explanation.failures.map(\.kind) == [.policy(failure)])
            #expect(explanation.next == .answeredAtOnce(until: failedAt + .seconds(300)))
            // The failure of a refresh is another matter: no lookup tries again for that.
            lab.publish("held.example")
            _ = try await lab.answer("held.example")
            lab.fetcher.script("mta-sts.held.example", .failure(.certificate(.expired)))
            lab.clock.advance(.seconds(1))
            _ = await lab.service.refresh(try domain("held.example"))
            lab.clock.advance(.seconds(299))
            _ = try await lab.answer("held.example")
            let held = try await explain("held.example", in: lab)
            #expect(held.next == .answeredAtOnce(until: lab.clock.now + .seconds(1)))
        }
    }

    @Test func `the last failures are told, newest first`() async throws {
        let lab = Lab()
        lab.resolver.script("_mta-sts.example.com", .txt, .failure(.responseCode(2)))
        try await lab.run {
            for _ in 1...5 {
                _ = try await lab.answer("example.com")
                lab.clock.advance(.seconds(60))
            }
            let failures = try await explain(in: lab).failures
            #expect(failures.count == 3)
            #expect(failures.map(\.at) == [60, 120, 180].map { lab.clock.now + .seconds(-$0) })
            #expect("\(try #require(failures.first).kind)".contains("SERVFAIL"))
        }
    }

    @Test func `it tells of a discovery that is under way`() async throws {
        let lab = Lab()
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        try await lab.run {
            async let answer = lab.answer("example.com")
            await gate.arrivals()
            let explanation = try await explain(in: lab)
            #expect(explanation.next == .joinsDiscovery && explanation.entry?.isUnderWay == true)
            gate.open()
            _ = try await answer
        }
    }

    @Test func `an order, and observe mode above it, are told with what they hide`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        try await lab.run {
            _ = try await lab.answer("example.com")
            let override = try order(.exempt(mayEncrypt: true), "example.com", since: lab.clock.now)
            _ = try await lab.service.order(override)
            let exempted = try await explain(in: lab)
            #expect(exempted.decision == Decision(rule: .exempt, action: .may))
            #expect(exempted.override == override && exempted.withheld == nil)
            guard case .policy = exempted.standing else { throw Unexpected(what: "\(exempted.standing)") }
            _ = await lab.service.observe(true, author: "root")
            let observed = try await explain(in: lab)
            #expect(observed.decision.rule == .observe && observed.withheld?.rule == .exempt)
            #expect(observed.observing.order?.author == "root" && !observed.observing.isConfigured)
        }
    }

    @Test func `what only the archive has is told, and stays there`() async throws {
        let kept = try archived("example.com", at: ManualTime().now)
        let lab = Lab(archive: MemoryArchive([kept]))
        let gate = lab.archive.holdLoading()
        try await lab.run {
            await gate.arrivals()
            let explanation = try await explain(in: lab)
            #expect(explanation.decision.rule == .enforce)
            #expect(explanation.entry?.isInArchiveOnly == true)
            #expect(explanation.next == .looksIntoArchive)
            let entry = try await lab.service.entry(of: kept.domain)
            #expect(entry == explanation.entry)
            let page = await lab.service.entries(EntryQuery())
            #expect(page.entries.isEmpty)
            gate.open()
        }
        #expect(lab.resolver.asked.isEmpty)
    }

    @Test func `an archive that cannot be looked into is no domain without a policy`() async throws {
        let lab = Lab()
        lab.archive.fail(with: ArchiveFailure("locked"))
        try await lab.run {
            let explanation = try await explain(in: lab)
            #expect(explanation.archiveFailure == ArchiveFailure("locked"))
            let name = try domain("example.com")
            await #expect(throws: ArchiveFailure("locked")) { try await lab.service.entry(of: name) }
        }
    }

    @Test func `the last lookups of the domain are told, of all ports`() async throws {
        let lab = Lab(keepsNothing: true)
        for (number, name) in ["example.com", "other.example", "example.com"].enumerated() {
            let destination = DANEDestination(domain: try domain(name), port: UInt16(25 + number))
            lab.service.noteLookup(
                RecentLookup(destination: destination, at: lab.clock.now, rule: .enforce, reply: "secure"))
        }
        let lookups = try await explain(in: lab).lookups
        #expect(lookups.map(\.destination.port) == [27, 25])
    }
}

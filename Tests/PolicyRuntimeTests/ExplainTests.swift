import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

/// The explanation of an answer, and what the next lookup does.
@Suite(.timeLimit(.minutes(5))) struct ExplainTests {
    private typealias Fixture = PolicyServiceTests.Fixture

    private func explain(_ name: String = "example.com", in fixture: Fixture) async throws -> Explanation {
        await fixture.service.explain(Destination(domain: try domain(name)))
    }

    @Test func `the next lookup of an unknown domain queries the record`() async throws {
        let fixture = Fixture(storesNothing: true)
        let explanation = try await explain(in: fixture)
        #expect(explanation.decision == Decision(rule: .unknown, action: .notFound))
        #expect(explanation.status == .unknown(.unfinished))
        #expect(explanation.next == .queriesRecord)
        #expect(explanation.entry == nil && explanation.dane == nil && explanation.override == nil)
    }

    @Test func `explain shows the source of a policy and its times`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            let fetchedAt = fixture.clock.now
            fixture.clock.advance(.seconds(100))
            let explanation = try await explain(in: fixture)
            #expect(explanation.at == fixture.clock.now)
            #expect(explanation.decision.rule == .enforce && explanation.suppressed == nil)
            let entry = try #require(explanation.entry)
            #expect(entry.state == .enforce && entry.isApplied && !entry.isFailing && !entry.isInStoreOnly)
            #expect(entry.policy?.fetchedAt == fetchedAt && entry.policy?.id.text == "1")
            #expect(entry.record?.result == .published(try recordID("1")))
            #expect(entry.record?.at == fetchedAt && entry.record?.freshUntil == fetchedAt + .seconds(300))
            #expect(explanation.next == .answeredAtOnce(until: fetchedAt + .seconds(300)))
            let refreshAt = try #require(entry.refreshAt)
            #expect(refreshAt > fetchedAt + .seconds(60_000) && refreshAt < fetchedAt + .seconds(86_401))
            fixture.clock.advance(.seconds(200))
            let later = try await explain(in: fixture)
            #expect(later.next == .queriesRecord)
            #expect(later.decision.rule == .enforce)
        }
        #expect(fixture.resolver.count("_mta-sts.example.com", type: .txt) == 1)
    }

    @Test func `the expiry of a policy precedes the end of a fresh record`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com", policy: policyText(maxAge: 100))
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            let start = fixture.clock.now
            let next = try await explain(in: fixture).next
            #expect(next == .answeredAtOnce(until: start + .seconds(100)))
            fixture.clock.advance(.seconds(100))
            let explanation = try await explain(in: fixture)
            #expect(explanation.next == .fetches(try recordID("1")))
            #expect(explanation.status == .unknown(.unfinished))
            #expect(explanation.entry?.policy != nil && explanation.entry?.isApplied == false)
        }
    }

    @Test func `explain shows when and why a fetch failed, and the next try`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        fixture.fetcher.script("mta-sts.example.com", reply: .failure(.certificate(.expired)))
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            let failedAt = fixture.clock.now
            let explanation = try await explain(in: fixture)
            let failure = PolicyFetchError.fetch(.certificate(.expired))
            #expect(explanation.decision.rule == .unknown)
            #expect(explanation.entry?.failure?.failure == failure && explanation.entry?.failure?.at == failedAt)
            #expect(explanation.entry?.isFailing == true)
            #expect(explanation.failures.map(\.kind) == [.policy(failure)])
            #expect(explanation.next == .answeredAtOnce(until: failedAt + .seconds(300)))
            // After a failed refresh, no lookup fetches again.
            fixture.publish("cached.example")
            _ = try await fixture.answer("cached.example")
            fixture.fetcher.script("mta-sts.cached.example", reply: .failure(.certificate(.expired)))
            fixture.clock.advance(.seconds(1))
            _ = await fixture.service.refresh(try domain("cached.example"))
            fixture.clock.advance(.seconds(299))
            _ = try await fixture.answer("cached.example")
            let cached = try await explain("cached.example", in: fixture)
            #expect(cached.next == .answeredAtOnce(until: fixture.clock.now + .seconds(1)))
        }
    }

    @Test func `explain shows the last failures, newest first`() async throws {
        let fixture = Fixture()
        fixture.resolver.script("_mta-sts.example.com", type: .txt, reply: .failure(.responseCode(2)))
        try await fixture.run {
            for _ in 1...5 {
                _ = try await fixture.answer("example.com")
                fixture.clock.advance(.seconds(60))
            }
            let failures = try await explain(in: fixture).failures
            #expect(failures.count == 3)
            #expect(failures.map(\.at) == [60, 120, 180].map { fixture.clock.now + .seconds(-$0) })
            #expect("\(try #require(failures.first).kind)".contains("SERVFAIL"))
        }
    }

    @Test func `explain shows a discovery in progress`() async throws {
        let fixture = Fixture()
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.run {
            async let answer = fixture.answer("example.com")
            await gate.arrivals()
            let explanation = try await explain(in: fixture)
            #expect(explanation.next == .joinsDiscovery && explanation.entry?.isInProgress == true)
            gate.open()
            _ = try await answer
        }
    }

    @Test func `explain shows an override and observe mode, with the decision that they hide`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            let override = try testOverride(.exempt(mayEncrypt: true), of: "example.com", since: fixture.clock.now)
            _ = try await fixture.service.set(override)
            let exempted = try await explain(in: fixture)
            #expect(exempted.decision == Decision(rule: .exempt, action: .may))
            #expect(exempted.override == override && exempted.suppressed == nil)
            guard case .policy = exempted.status else { throw UnexpectedError(what: "\(exempted.status)") }
            _ = await fixture.service.setObserveMode(isOn: true, author: "root")
            let observed = try await explain(in: fixture)
            #expect(observed.decision.rule == .observe && observed.suppressed?.rule == .exempt)
            #expect(observed.observing.change?.author == "root" && !observed.observing.isConfigured)
        }
    }

    @Test func `explain shows a policy that only the store has, without loading it`() async throws {
        let stored = try storedPolicy("example.com", at: ManualTime().now)
        let fixture = Fixture(store: MemoryPolicyStore([stored]))
        let gate = fixture.store.pauseLoading()
        try await fixture.run {
            await gate.arrivals()
            let explanation = try await explain(in: fixture)
            #expect(explanation.decision.rule == .enforce)
            #expect(explanation.entry?.isInStoreOnly == true)
            #expect(explanation.next == .readsStore)
            let entry = try await fixture.service.entry(of: stored.domain)
            #expect(entry == explanation.entry)
            let page = await fixture.service.entries(EntryQuery())
            #expect(page.entries.isEmpty)
            gate.open()
        }
        #expect(fixture.resolver.asked.isEmpty)
    }

    @Test func `a store that cannot be read does not count as "no policy"`() async throws {
        let fixture = Fixture()
        fixture.store.fail(with: StoreError("locked"))
        try await fixture.run {
            let explanation = try await explain(in: fixture)
            #expect(explanation.storeError == StoreError("locked"))
            let name = try domain("example.com")
            await #expect(throws: StoreError("locked")) { try await fixture.service.entry(of: name) }
        }
    }

    @Test func `explain shows the last lookups of the domain, for all ports`() async throws {
        let fixture = Fixture(storesNothing: true)
        for (number, name) in ["example.com", "other.example", "example.com"].enumerated() {
            let destination = Destination(domain: try domain(name), port: UInt16(25 + number))
            fixture.service.noteLookup(
                RecentLookup(destination: destination, at: fixture.clock.now, rule: .enforce, reply: "secure"))
        }
        let lookups = try await explain(in: fixture).lookups
        #expect(lookups.map(\.destination.port) == [27, 25])
    }
}

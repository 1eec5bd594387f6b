import DANE
import Discovery
import MTASTS
import Testing
import TestSupport

@testable import PolicyCaching
@testable import PolicyRuntime

/// Refresh and forget, from the command to the store.
@Suite(.timeLimit(.minutes(5))) struct RefreshAndForgetTests {
    private typealias Fixture = PolicyServiceTests.Fixture

    @Test func `a refresh queries and fetches now, and the store has the new policy`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        let name = try domain("example.com")
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            fixture.publish("example.com", policy: policyText(mx: ["new.example.com"]))
            fixture.clock.advance(.seconds(1))
            let result = await fixture.service.refresh(name)
            guard case .changed(.some, let new) = result.outcome else { throw UnexpectedError(what: "\(result)") }
            #expect(fixture.store[name]?.text == new.policy.octets)
        }
        #expect(fixture.resolver.count("_mta-sts.example.com", type: .txt) == 2)
        #expect(fixture.fetcher.requests.count == 2)
        let line = fixture.log.entries.last { $0.message == "policy replaced" }
        #expect(line?.facts["origin"] == "admin")
        #expect(fixture.log.entries.first { $0.message == "new policy" }?.facts["origin"] == "lookup")
    }

    @Test func `a hundred refreshes at once are one, after a discovery in progress`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        let name = try domain("example.com")
        try await fixture.run {
            async let answer = fixture.answer("example.com")
            await gate.arrivals()
            async let results = withTaskGroup(of: RefreshResult.self) { group in
                for _ in 1...100 { group.addTask { await fixture.service.refresh(name) } }
                return await group.reduce(into: []) { $0.append($1) }
            }
            while fixture.service.waitingOperators(for: name) < 100, !Task.isCancelled { await Task.yield() }
            gate.open()
            let rule = try await answer.rule
            #expect(rule == .enforce)
            // The interval between two fetches of a domain.
            await fixture.clock.pass(.seconds(1))
            let outcomes = await results.map(\.outcome)
            #expect(outcomes.count == 100)
            #expect(outcomes.allSatisfy { $0 == outcomes[0] })
            guard case .renewed = outcomes[0] else { throw UnexpectedError(what: "\(outcomes[0])") }
        }
        #expect(fixture.resolver.count("_mta-sts.example.com", type: .txt) == 2)
        #expect(fixture.fetcher.requests.count == 2)
    }

    @Test func `a failed refresh returns the reason and the policy that still applies`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            fixture.fetcher.script("mta-sts.example.com", reply: .failure(.certificate(.expired)))
            fixture.clock.advance(.seconds(1))
            let result = await fixture.service.refresh(try domain("example.com"))
            #expect(result.outcome == .fetchFailed(.fetch(.certificate(.expired))))
            guard case .policy = result.status else { throw UnexpectedError(what: "\(result)") }
        }
    }

    @Test func `at the end, waiting and later refreshes return`() async throws {
        let fixture = Fixture()
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        let name = try domain("example.com")
        await withTaskGroup(of: RefreshResult?.self) { group in
            group.addTask {
                await fixture.service.run()
                return nil
            }
            async let waiting = fixture.service.refresh(name)
            await gate.arrivals()
            group.cancelAll()
            gate.open()
            let outcome = await waiting.outcome
            #expect(outcome == .unfinished)
            await group.waitForAll()
        }
        let late = await fixture.service.refresh(name)
        #expect(late.outcome == .unfinished)
    }

    @Test func `a forgotten domain is removed from the store and looked up again`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        let name = try domain("example.com")
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            let (wasKnown, outcome) = await fixture.service.forget(name)
            #expect(wasKnown && outcome == .saved)
            #expect(fixture.store[name] == nil)
            let rule = try await fixture.answer("example.com").rule
            #expect(rule == .enforce)
            #expect(fixture.store[name] != nil)
        }
        #expect(fixture.resolver.count("_mta-sts.example.com", type: .txt) == 2)
        #expect(fixture.log.messages.count { $0 == "domain forgotten" } == 1)
    }

    @Test func `forget distinguishes an unknown domain from one that only the store has`()
        async throws
    {
        let stored = try storedPolicy("stored.example", at: ManualTime().now)
        let fixture = Fixture(store: MemoryPolicyStore([stored]))
        let gate = fixture.store.pauseLoading()
        try await fixture.run {
            await gate.arrivals()
            let known = await fixture.service.forget(stored.domain)
            #expect(known.wasKnown && known.outcome == .saved)
            let unknown = await fixture.service.forget(try domain("unknown.example"))
            #expect(!unknown.wasKnown)
            gate.open()
            await fixture.log.appearance(of: "policies loaded")
            let entry = try await fixture.service.entry(of: stored.domain)
            #expect(entry == nil)
        }
        #expect(fixture.store[stored.domain] == nil)
    }

    @Test func `forget reports a failing store, which loses the policy when it works again`() async throws {
        let stored = try storedPolicy("example.com", at: ManualTime().now)
        let fixture = Fixture(store: MemoryPolicyStore([stored]))
        try await fixture.run {
            await fixture.log.appearance(of: "policies loaded")
            fixture.store.fail(with: StoreError("read-only"))
            let (wasKnown, outcome) = await fixture.service.forget(stored.domain)
            #expect(wasKnown && outcome == .inMemoryOnly("read-only"))
            fixture.store.fail(with: nil)
            while !fixture.log.messages.contains("cache file works again") { await fixture.clock.pass(.seconds(30)) }
            let entry = try await fixture.service.entry(of: stored.domain)
            #expect(entry == nil)
        }
        #expect(fixture.store[stored.domain] == nil)
    }
}

extension PolicyService {
    fileprivate func waitingOperators(for domain: PolicyDomain) -> Int {
        state.withLock { $0.refreshWaiters[domain]?.count ?? 0 }
    }
}

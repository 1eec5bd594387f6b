import Discovery
import MTASTS
import MetricsTestKit
import PolicyCaching
import PolicyRuntime
import Testing
import TestSupport
import TextFormats

@Suite(.timeLimit(.minutes(5))) struct PolicyServiceTests {
    /// A running service over scripted DNS and HTTPS.
    final class Fixture: Sendable {
        let resolver = ScriptedResolver()
        let fetcher = ScriptedFetcher()
        let store: MemoryPolicyStore
        let clock: ManualTime
        let log = LogRecorder()
        let metrics = TestMetrics()
        let service: PolicyService

        /// - Parameter storesNothing: the service uses `NoStore`.
        init(
            store: MemoryPolicyStore = MemoryPolicyStore(), storesNothing: Bool = false,
            cache: CacheSettings = CacheSettings(), decisions: DecisionSettings = DecisionSettings(),
            clock: ManualTime = ManualTime()
        ) {
            self.store = store
            self.clock = clock
            service = PolicyService(
                discovery: PolicyDiscovery(resolver: resolver, fetcher: fetcher),
                store: storesNothing ? NoStore() : store, cache: cache, decisions: decisions,
                logger: log.logger(), now: { clock.now }, sleep: { try await clock.sleep($0) }, seed: 1,
                metrics: metrics)
        }

        /// Publishes a record and a policy of `name`.
        func publish(_ name: String, id: String = "1", policy: String = policyText()) {
            resolver.script(text: ["v=STSv1; id=\(id);"], at: "_mta-sts.\(name)")
            resolver.script("mta-sts.\(name)", type: .a, reply: .success(.records([[192, 88, 98, 1]])))
            fetcher.script("mta-sts.\(name)", reply: .success(policy))
        }

        /// The answer to a lookup, however long it takes.
        func answer(_ name: String) async throws -> Decision {
            let domain = try domain(name)
            return await withCheckedContinuation { continuation in
                if case .decided(let decision) = service.lookup(
                    Destination(domain: domain), onDecision: { continuation.resume(returning: $0) })
                {
                    continuation.resume(returning: decision)
                }
            }
        }

        /// Returns when lookups do not wait for the overrides any more.
        func loaded() async throws { _ = try await answer("loaded.example") }

        /// The immediate answer; `nil` if the lookup waits.
        func answerAtOnce(_ name: String) throws -> Decision? {
            let destination = Destination(domain: try domain(name))
            if let decision = service.decision(for: destination) { return decision }
            switch service.lookup(destination, onDecision: { _ in }) {
            case .decided(let decision): return decision
            case .waiting(let waiter, _):
                _ = service.cancelWait(waiter)
                return nil
            }
        }

        func run(_ test: @Sendable @escaping () async throws -> Void) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await self.service.run() }
                try await test()
                group.cancelAll()
            }
        }
    }

    @Test func `a cold lookup gets the result of the discovery, the next one is a hit`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        try await fixture.run {
            #expect(try await fixture.answer("example.com").rule == .enforce)
            guard
                case .decided(let decision) = fixture.service.lookup(
                    Destination(domain: try domain("example.com")), onDecision: { _ in })
            else {
                Issue.record("not answered at once")
                return
            }
            #expect(decision.rule == .enforce)
        }
        #expect(fixture.resolver.count("_mta-sts.example.com", type: .txt) == 1)
        #expect(fixture.fetcher.requests.count == 1)
    }

    @Test func `STS-3.3-i a thousand lookups at once are one query and one fetch`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.run {
            async let answers = withThrowingTaskGroup(of: Decision.self) { group in
                for _ in 1...1_000 { group.addTask { try await fixture.answer("example.com") } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            await gate.arrivals()
            gate.open()
            let rules = try await answers.map(\.rule)
            #expect(rules == Array(repeating: .enforce, count: 1_000))
        }
        #expect(fixture.resolver.count("_mta-sts.example.com", type: .txt) == 1)
        #expect(fixture.fetcher.requests.count == 1)
    }

    @Test func `a policy is in the store before a lookup gets it`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        let gate = fixture.store.pauseCommits()
        let name = try domain("example.com")
        try await fixture.run {
            async let answer = fixture.answer("example.com")
            await gate.arrivals()
            guard case .waiting(let waiter, _) = fixture.service.lookup(Destination(domain: name), onDecision: { _ in })
            else {
                Issue.record("answered before it was stored")
                return
            }
            #expect(fixture.service.cancelWait(waiter)?.rule == .unknown)
            gate.open()
            let decision = try await answer
            #expect(decision.rule == .enforce)
            #expect(fixture.store[name]?.id.text == "1")
        }
    }

    @Test func `STS-3-a an unchanged id costs one TXT query and no request to the policy host`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com", id: "7")
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            let queries = fixture.resolver.asked.count
            fixture.clock.advance(.seconds(300))
            let decision = try await fixture.answer("example.com")
            #expect(decision.rule == .enforce)
            #expect(
                fixture.resolver.asked.dropFirst(queries) == [DNSQuestion(name: "_mta-sts.example.com", type: .txt)])
            #expect(fixture.fetcher.requests.count == 1)
        }
    }

    @Test func `STS-3.1-v the id is that of the record; an id in the body has no meaning`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com", id: "7", policy: policyText() + "\nid: 8")
        let name = try domain("example.com")
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            #expect(fixture.store[name]?.id.text == "7")
        }
    }

    @Test func `a failing store is logged and stops no mail`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        fixture.store.fail(with: StoreError("disk full"))
        try await fixture.run {
            let decision = try await fixture.answer("example.com")
            #expect(decision.rule == .enforce)
        }
        #expect(fixture.log.messages.contains("cache file error, continuing in memory"))
    }

    @Test func `a stored policy applies without DNS and HTTPS`() async throws {
        let stored = try storedPolicy("example.com", at: ManualTime().now)
        let broken = try storedPolicy("broken.example", text: "\0", at: ManualTime().now)
        let fixture = Fixture(store: MemoryPolicyStore([stored, broken]))
        fixture.resolver.script("_mta-sts.example.com", type: .txt, reply: .failure(.responseCode(2)))
        try await fixture.run {
            let decision = try await fixture.answer("example.com")
            #expect(decision.rule == .enforce)
            await fixture.log.appearance(of: "unreadable policy in the cache file, ignored")
        }
    }

    @Test func `STS-3.3-s a lookup that stops waiting gets what is known, and the discovery continues`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        let gate = fixture.fetcher.hold("mta-sts.example.com")
        let name = try domain("example.com")
        try await fixture.run {
            async let waiting = fixture.answer("example.com")
            await gate.arrivals()
            guard
                case .waiting(let waiter, nil) = fixture.service.lookup(
                    Destination(domain: name), onDecision: { _ in Issue.record("called") })
            else {
                Issue.record("not waiting")
                return
            }
            #expect(fixture.service.cancelWait(waiter) == Decision(rule: .unknown, action: .notFound))
            #expect(fixture.service.cancelWait(waiter) == nil)
            gate.open()
            let decision = try await waiting
            #expect(decision.rule == .enforce)
        }
    }

    @Test func `with max_age 0, a second passes between two fetches`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com", policy: policyText(maxAge: 0))
        let start = fixture.clock.now
        try await fixture.run {
            for round in 1...3 {
                async let answer = fixture.answer("example.com")
                if round > 1 { await fixture.clock.pass(.seconds(1)) }
                let decision = try await answer
                #expect(decision.rule == .enforce)
            }
        }
        #expect(fixture.clock.now - start == .seconds(2))
        #expect(fixture.fetcher.requests.count == 3)
        #expect(fixture.resolver.count("_mta-sts.example.com", type: .txt) == 1)
    }

    @Test func `a new policy is one line at info, an unchanged one is none`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        try await fixture.run {
            for _ in 1...10 { _ = try await fixture.answer("example.com") }
        }
        let lines = fixture.log.entries.filter { $0.level >= .info && $0.message != "policies loaded" }
        #expect(lines.map(\.message) == ["new policy"])
        #expect(lines.last?.facts["domain"] == "example.com")
        #expect(lines.last?.facts["mode"] == "enforce")
    }

    @Test(arguments: [("enforce", true), ("none", false)])
    func `STS-3.3-q a failing refresh is a warning, except for mode none`(mode: String, warns: Bool) async throws {
        let fixture = Fixture()
        fixture.publish("example.com", id: "1", policy: policyText(mode: mode))
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            fixture.publish("example.com", id: "2")
            fixture.fetcher.script("mta-sts.example.com", reply: .failure(.certificate(.expired)))
            fixture.clock.advance(.seconds(300))
            _ = try await fixture.answer("example.com")
        }
        let warnings = fixture.log.entries.filter { $0.level == .warning }.map(\.message)
        #expect(warnings == (warns ? ["policy fetch failed"] : []))
    }
}

extension PolicyService {
    /// The decision of a cache hit.
    func decision(for destination: Destination) -> Decision? { hit(destination)?.decision }
}

import Discovery
import MTASTS
import PolicyCaching
import PolicyRuntime
import Testing
import TestSupport
import TextFormats

/// Overrides and observe mode, from the command to the reply.
@Suite(.timeLimit(.minutes(5))) struct OverrideServiceTests {
    private typealias Fixture = PolicyServiceTests.Fixture

    private static let exempt = Override.Kind.exempt(mayEncrypt: false)

    private func settings(_ fixture: Fixture, decisions: DecisionSettings) -> ServiceSettings {
        ServiceSettings(
            discovery: PolicyDiscovery(resolver: fixture.resolver, fetcher: fixture.fetcher), decisions: decisions)
    }

    @Test(arguments: [(false, Decision.Action.notFound), (true, .may)])
    func `an exempted domain is answered at once while DNS does not answer, and is looked up nevertheless`(
        mayEncrypt: Bool, action: Decision.Action
    ) async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.run {
            try await fixture.loaded()
            let until = fixture.clock.now + .seconds(60)
            let override = try testOverride(
                .exempt(mayEncrypt: mayEncrypt), of: "example.com", since: fixture.clock.now, until: until)
            let outcome = try await fixture.service.set(override)
            #expect(outcome == .saved)
            for _ in 1...3 {
                #expect(try fixture.answerAtOnce("example.com") == Decision(rule: .exempt, action: action))
            }
            await gate.arrivals()
            gate.open()
            await fixture.log.appearance(of: "new policy")
            #expect(try fixture.answerAtOnce("example.com")?.rule == .exempt)
            // When the exemption ends, the policy is cached.
            fixture.clock.advance(.seconds(60))
            #expect(try fixture.answerAtOnce("example.com")?.rule == .enforce)
        }
        #expect(fixture.resolver.count("_mta-sts.example.com", type: .txt) == 1)
    }

    @Test func `a domain that is pinned to names is answered at once`() async throws {
        let fixture = Fixture()
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        let names = [try pattern("mx.example.net")]
        try await fixture.run {
            try await fixture.loaded()
            _ = try await fixture.service.set(
                try testOverride(.pin(names), of: "example.com", since: fixture.clock.now))
            let decision = try fixture.answerAtOnce("example.com")
            #expect(decision == Decision(rule: .pin, action: .secureByNames(names)))
            await gate.arrivals()
            gate.open()
        }
    }

    @Test func `a domain that is pinned without names waits for its policy in any mode, and defers mail without one`()
        async throws
    {
        let fixture = Fixture()
        fixture.publish("example.com", policy: policyText(mode: "testing"))
        try await fixture.run {
            for name in ["example.com", "bare.example"] {
                _ = try await fixture.service.set(try testOverride(.pin([]), of: name, since: fixture.clock.now))
            }
            let decision = try await fixture.answer("example.com")
            guard case .secure(let cached) = decision.action else { throw UnexpectedError(what: "\(decision)") }
            #expect(decision.rule == .pin && cached.policy.mode == .testing)
            let bare = try await fixture.answer("bare.example")
            #expect(bare == Decision(rule: .pin, action: .deferred(.pinWithoutNames)))
        }
    }

    @Test func `an override applies to lookups that wait already`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        let gate = fixture.fetcher.hold("mta-sts.example.com")
        try await fixture.run {
            async let answer = fixture.answer("example.com")
            await gate.arrivals()
            _ = try await fixture.service.set(
                try testOverride(Self.exempt, of: "example.com", since: fixture.clock.now))
            gate.open()
            let rule = try await answer.rule
            #expect(rule == .exempt)
        }
    }

    @Test func `a removed override ends at once, in memory and in the store`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        try await fixture.run {
            let override = try testOverride(Self.exempt, of: "example.com", since: fixture.clock.now)
            _ = try await fixture.service.set(override)
            #expect(fixture.store.override(of: override.domain) == override)
            let (removal, outcome) = await fixture.service.removeOverride(of: override.domain, author: "root")
            #expect(removal == .removed(override) && outcome == .saved)
            #expect(fixture.service.overrides() == [])
            #expect(fixture.store.override(of: override.domain) == nil)
            let rule = try await fixture.answer("example.com").rule
            #expect(rule == .enforce)
            let again = await fixture.service.removeOverride(of: override.domain, author: "root")
            #expect(again.removal == .notFound)
        }
        let messages = fixture.log.messages.filter { $0.hasPrefix("override") }
        #expect(messages == ["override set", "override removed"])
    }

    @Test func `an override with an end in the past is rejected`() async throws {
        let fixture = Fixture(storesNothing: true)
        let start = fixture.clock.now
        let override = try testOverride(Self.exempt, of: "example.com", since: start, until: start + .seconds(60))
        fixture.clock.advance(.seconds(60))
        await #expect(throws: OverrideError.hasEnded) { _ = try await fixture.service.set(override) }
        #expect(fixture.service.overrides() == [])
    }

    @Test func `the end of an override is announced, logged and removed from the store`() async throws {
        let fixture = Fixture()
        let until = fixture.clock.now + .seconds(3 * 86_400)
        let end = RFC3339.clampedText(of: until)
        try await fixture.run {
            let override = try testOverride(Self.exempt, of: "example.com", since: fixture.clock.now, until: until)
            _ = try await fixture.service.set(override)
            while fixture.clock.now < until + .seconds(86_400) { await fixture.clock.pass(.seconds(3_600)) }
            while fixture.store.override(of: override.domain) != nil { await fixture.clock.pass(.seconds(3_600)) }
        }
        let warnings = fixture.log.entries.filter { $0.level == .warning }
        #expect(warnings.map(\.message) == ["override ends soon", "override ended"])
        #expect(warnings.first?.facts["ends-in"] == "1440m")
        #expect(warnings.map { $0.facts["until"] } == [end, end])
        #expect(warnings.last?.facts["ends-in"] == nil)
        #expect(warnings.first?.facts["reason"] == "ticket 7")
    }

    // MARK: Observe mode

    @Test func `in observe mode Postfix gets no policy, at once, and the underlying decision is counted`()
        async throws
    {
        let fixture = Fixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.run {
            try await fixture.loaded()
            let outcome = await fixture.service.setObserveMode(isOn: true, author: "root")
            #expect(outcome == .saved)
            for _ in 1...1_000 {
                let decision = try fixture.answerAtOnce("example.com")
                #expect(decision == Decision(rule: .observe, action: .notFound))
            }
            await gate.arrivals()
            gate.open()
            await fixture.log.appearance(of: "observed, Postfix got no policy")
            #expect(try fixture.answerAtOnce("example.com")?.rule == .observe)
        }
        let lines = fixture.log.entries.filter { $0.message == "observed, Postfix got no policy" }
        #expect(lines.map { $0.facts["lookups"] } == ["1000", "1"])
        #expect(lines.allSatisfy { $0.level == .debug && $0.facts["rule"] == "enforce" })
        let counter = try fixture.metrics.expectCounter(
            "sts_bridge_observed_total", [("rule", "enforce"), ("reply", "secure")])
        #expect(counter.totalValue == 1_001)
    }

    @Test func `observe mode never defers mail and precedes every override`() async throws {
        let fixture = Fixture(decisions: DecisionSettings(onUnknown: .defer, observes: true))
        fixture.resolver.script("_mta-sts.example.com", type: .txt, reply: .failure(.responseCode(2)))
        try await fixture.run {
            _ = try await fixture.service.set(
                try testOverride(.pin([]), of: "pinned.example", since: fixture.clock.now))
            for name in ["example.com", "pinned.example"] {
                let decision = try await fixture.answer(name)
                #expect(decision == Decision(rule: .observe, action: .notFound))
            }
            while fixture.log.messages.count(where: { $0.hasPrefix("observed") }) < 2, !Task.isCancelled {
                await Task.yield()
            }
        }
        for rule in ["unknown", "pin"] {
            let counter = try fixture.metrics.expectCounter(
                "sts_bridge_observed_total", [("rule", rule), ("reply", "temporary")])
            #expect(counter.totalValue == 1)
        }
    }

    @Test func `observe mode applies to lookups that wait already, and to those that stop waiting`()
        async throws
    {
        let fixture = Fixture()
        fixture.publish("example.com")
        let gate = fixture.fetcher.hold("mta-sts.example.com")
        try await fixture.run {
            async let answer = fixture.answer("example.com")
            await gate.arrivals()
            let destination = Destination(domain: try domain("example.com"))
            guard case .waiting(let waiter, _) = fixture.service.lookup(destination, onDecision: { _ in }) else {
                throw UnexpectedError(what: "not waiting")
            }
            _ = await fixture.service.setObserveMode(isOn: true, author: "root")
            #expect(fixture.service.cancelWait(waiter)?.rule == .observe)
            gate.open()
            let rule = try await answer.rule
            #expect(rule == .observe)
        }
    }

    @Test func `observe mode of the configuration cannot be switched off, and ends with the configuration`()
        async throws
    {
        let fixture = Fixture(decisions: DecisionSettings(observes: true))
        try await fixture.run {
            _ = await fixture.service.setObserveMode(isOn: false, author: "root")
            #expect(fixture.service.isObserving)
            #expect(fixture.service.observeMode.isConfigured && fixture.service.observeMode.change?.isOn == false)
            fixture.service.update(settings: settings(fixture, decisions: DecisionSettings()))
            #expect(!fixture.service.isObserving)
            _ = await fixture.service.setObserveMode(isOn: true, author: "root")
            #expect(fixture.service.isObserving)
        }
        let messages = fixture.log.messages.filter { $0.hasPrefix("observe mode") }
        let on = "observe mode is on: Postfix gets no policy"
        #expect(messages == [on, on, "observe mode is off", on])
    }

    @Test func `new settings apply to the next answer`() async throws {
        let fixture = Fixture()
        try await fixture.run {
            let action = try await fixture.answer("example.com").action
            #expect(action == .notFound)
            fixture.service.update(settings: settings(fixture, decisions: DecisionSettings(noPolicyReply: .encrypt)))
            #expect(try fixture.answerAtOnce("example.com")?.action == .encrypt)
        }
    }
}

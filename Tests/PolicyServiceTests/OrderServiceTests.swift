import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// What the operator orders, from the order to Postfix's answer.
@Suite(.timeLimit(.minutes(5))) struct OrderServiceTests {
    private typealias Lab = PolicyServiceTests.Lab

    private static let exempt = DomainOverride.Kind.exempt(mayEncrypt: false)

    private func settings(_ lab: Lab, _ decisions: DecisionSettings) -> ServiceSettings {
        ServiceSettings(
            discovery: PolicyDiscovery(resolver: lab.resolver, fetcher: lab.fetcher), decisions: decisions)
    }

    @Test(arguments: [(false, Decision.Action.notFound), (true, .may)])
    func `an exempted domain is answered at once, though DNS hangs, and found out about all the same`(
        mayEncrypt: Bool, action: Decision.Action
    ) async throws {
        let lab = Lab()
        lab.publish("example.com")
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        try await lab.run {
            try await lab.loaded()
            let until = lab.clock.now + .seconds(60)
            let override = try order(
                .exempt(mayEncrypt: mayEncrypt), "example.com", since: lab.clock.now, until: until)
            let outcome = try await lab.service.order(override)
            #expect(outcome == .kept)
            for _ in 1...3 {
                #expect(try lab.answerAtOnce("example.com") == Decision(rule: .exempt, action: action))
            }
            await gate.arrivals()
            gate.open()
            await lab.log.appearance(of: "policy learnt")
            #expect(try lab.answerAtOnce("example.com")?.rule == .exempt)
            // Its end finds a policy.
            lab.clock.advance(.seconds(60))
            #expect(try lab.answerAtOnce("example.com")?.rule == .enforce)
        }
        #expect(lab.resolver.count("_mta-sts.example.com", .txt) == 1)
    }

    @Test func `a domain that is pinned to names is answered at once by these`() async throws {
        let lab = Lab()
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        let names = [try pattern("mx.example.net")]
        try await lab.run {
            try await lab.loaded()
            _ = try await lab.service.order(try order(.pin(names), "example.com", since: lab.clock.now))
            let decision = try lab.answerAtOnce("example.com")
            #expect(decision == Decision(rule: .pin, action: .secureByNames(names)))
            await gate.arrivals()
            gate.open()
        }
    }

    @Test func `a domain that is pinned without names waits for its policy, whatever its mode, and holds mail without`()
        async throws
    {
        let lab = Lab()
        lab.publish("example.com", policy: policyText(mode: "testing"))
        try await lab.run {
            for name in ["example.com", "bare.example"] {
                _ = try await lab.service.order(try order(.pin([]), name, since: lab.clock.now))
            }
            let decision = try await lab.answer("example.com")
            guard case .secure(let held) = decision.action else { throw Unexpected(what: "\(decision)") }
            #expect(decision.rule == .pin && held.policy.mode == .testing)
            let bare = try await lab.answer("bare.example")
            #expect(bare == Decision(rule: .pin, action: .deferred(.pinWithoutNames)))
        }
    }

    @Test func `an order counts for those who wait already`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        let gate = lab.fetcher.hold("mta-sts.example.com")
        try await lab.run {
            async let answer = lab.answer("example.com")
            await gate.arrivals()
            _ = try await lab.service.order(try order(Self.exempt, "example.com", since: lab.clock.now))
            gate.open()
            let rule = try await answer.rule
            #expect(rule == .exempt)
        }
    }

    @Test func `what is removed is over at once, here and in the archive`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        try await lab.run {
            let override = try order(Self.exempt, "example.com", since: lab.clock.now)
            _ = try await lab.service.order(override)
            #expect(lab.archive.override(of: override.domain) == override)
            let (removed, outcome) = await lab.service.removeOverride(of: override.domain, author: "root")
            #expect(removed == override && outcome == .kept)
            #expect(lab.service.overrides() == [])
            #expect(lab.archive.override(of: override.domain) == nil)
            let rule = try await lab.answer("example.com").rule
            #expect(rule == .enforce)
            let again = await lab.service.removeOverride(of: override.domain, author: "root")
            #expect(again.removed == nil)
        }
        let messages = lab.log.messages.filter { $0.hasPrefix("override") }
        #expect(messages == ["override ordered", "override removed"])
    }

    @Test func `an order that would have ended already is refused`() async throws {
        let lab = Lab(keepsNothing: true)
        let start = lab.clock.now
        let override = try order(Self.exempt, "example.com", since: start, until: start + .seconds(60))
        lab.clock.advance(.seconds(60))
        await #expect(throws: OrderRefusal.hasEnded) { _ = try await lab.service.order(override) }
        #expect(lab.service.overrides() == [])
    }

    @Test func `an end is warned of, told, and taken out of the archive`() async throws {
        let lab = Lab()
        let until = lab.clock.now + .seconds(3 * 86_400)
        let end = RFC3339.shown(until)
        try await lab.run {
            let override = try order(Self.exempt, "example.com", since: lab.clock.now, until: until)
            _ = try await lab.service.order(override)
            while lab.clock.now < until + .seconds(86_400) { await lab.clock.pass(.seconds(3_600)) }
            while lab.archive.override(of: override.domain) != nil { await lab.clock.pass(.seconds(3_600)) }
        }
        let warnings = lab.log.entries.filter { $0.level == .warning }
        #expect(warnings.map(\.message) == ["override ends soon", "override has ended"])
        #expect(warnings.first?.facts["ends-in"] == "1440m")
        #expect(warnings.map { $0.facts["until"] } == [end, end])
        #expect(warnings.last?.facts["ends-in"] == nil)
        #expect(warnings.first?.facts["reason"] == "ticket 7")
    }

    // MARK: Observe mode

    @Test func `in observe mode Postfix is told nothing, at once, and what it would have been told is counted`()
        async throws
    {
        let lab = Lab()
        lab.publish("example.com")
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        try await lab.run {
            try await lab.loaded()
            let outcome = await lab.service.observe(true, author: "root")
            #expect(outcome == .kept)
            for _ in 1...1_000 {
                let decision = try lab.answerAtOnce("example.com")
                #expect(decision == Decision(rule: .observe, action: .notFound))
            }
            await gate.arrivals()
            gate.open()
            await lab.log.appearance(of: "observed, Postfix was told nothing")
            #expect(try lab.answerAtOnce("example.com")?.rule == .observe)
        }
        let lines = lab.log.entries.filter { $0.message == "observed, Postfix was told nothing" }
        #expect(lines.map { $0.facts["lookups"] } == ["1000", "1"])
        #expect(lines.allSatisfy { $0.level == .debug && $0.facts["rule"] == "enforce" })
        let counter = try lab.metrics.expectCounter(
            "sts_bridge_observed_total", [("rule", "enforce"), ("reply", "secure")])
        #expect(counter.totalValue == 1_001)
    }

    @Test func `observe mode never holds mail, and goes before every order`() async throws {
        let lab = Lab(decisions: DecisionSettings(onUnknown: .defer, observes: true))
        lab.resolver.script("_mta-sts.example.com", .txt, .failure(.responseCode(2)))
        try await lab.run {
            _ = try await lab.service.order(try order(.pin([]), "pinned.example", since: lab.clock.now))
            for name in ["example.com", "pinned.example"] {
                let decision = try await lab.answer(name)
                #expect(decision == Decision(rule: .observe, action: .notFound))
            }
            while lab.log.messages.count(where: { $0.hasPrefix("observed") }) < 2, !Task.isCancelled {
                await Task.yield()
            }
        }
        for rule in ["unknown", "pin"] {
            let counter = try lab.metrics.expectCounter(
                "sts_bridge_observed_total", [("rule", rule), ("reply", "temporary")])
            #expect(counter.totalValue == 1)
        }
    }

    @Test func `observe mode that is switched on meanwhile counts for those who wait, and for those who give up`()
        async throws
    {
        let lab = Lab()
        lab.publish("example.com")
        let gate = lab.fetcher.hold("mta-sts.example.com")
        try await lab.run {
            async let answer = lab.answer("example.com")
            await gate.arrivals()
            let destination = DANEDestination(domain: try domain("example.com"))
            guard case .waiting(let waiter, _) = lab.service.lookup(destination, whenLanded: { _ in }) else {
                throw Unexpected(what: "not waiting")
            }
            _ = await lab.service.observe(true, author: "root")
            #expect(lab.service.giveUp(waiter)?.rule == .observe)
            gate.open()
            let rule = try await answer.rule
            #expect(rule == .observe)
        }
    }

    @Test func `the configuration's observe mode stays whatever is ordered, and ends with the configuration`()
        async throws
    {
        let lab = Lab(decisions: DecisionSettings(observes: true))
        try await lab.run {
            _ = await lab.service.observe(false, author: "root")
            #expect(lab.service.isObserving)
            #expect(lab.service.observing.isConfigured && lab.service.observing.order?.isOn == false)
            lab.service.use(settings(lab, DecisionSettings()))
            #expect(!lab.service.isObserving)
            _ = await lab.service.observe(true, author: "root")
            #expect(lab.service.isObserving)
        }
        let messages = lab.log.messages.filter { $0.hasPrefix("observe mode") }
        let on = "observe mode is on: Postfix is told nothing"
        #expect(messages == [on, on, "observe mode is off", on])
    }

    @Test func `settings that were read again count from the next answer on`() async throws {
        let lab = Lab()
        try await lab.run {
            let action = try await lab.answer("example.com").action
            #expect(action == .notFound)
            lab.service.use(settings(lab, DecisionSettings(noPolicyReply: .encrypt)))
            #expect(try lab.answerAtOnce("example.com")?.action == .encrypt)
        }
    }
}

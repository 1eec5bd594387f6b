import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// Settings that change while lookups go on.
@Suite(.timeLimit(.minutes(5))) struct ServiceSettingsTests {
    private typealias Lab = PolicyServiceTests.Lab

    private func settings(
        _ lab: Lab, decisions: DecisionSettings = DecisionSettings(), ledger: LedgerSettings = LedgerSettings()
    ) -> ServiceSettings {
        ServiceSettings(
            discovery: PolicyDiscovery(resolver: lab.resolver, fetcher: lab.fetcher), decisions: decisions,
            ledger: ledger)
    }

    @Test func `one who waits is answered by the settings that are in force when the news comes`() async throws {
        let lab = Lab()
        lab.publish("example.com", policy: policyText(mode: "testing"))
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        try await lab.run {
            async let answer = lab.answer("example.com")
            await gate.arrivals()
            lab.service.use(settings(lab, decisions: DecisionSettings(enforceTesting: true)))
            gate.open()
            guard case .secure = try await answer.action else { throw Unexpected(what: "the old settings") }
            lab.service.use(settings(lab))
            let hit = lab.service.decision(for: DANEDestination(domain: try domain("example.com")))
            #expect(hit?.action == .notFound)
        }
    }

    @Test func `what is found out from now on is asked of the new servers, what is under way of the old ones`()
        async throws
    {
        let old = Lab()
        let new = Lab()
        for name in ["first.example", "second.example"] {
            old.publish(name)
            new.publish(name, policy: policyText(mode: "testing"))
        }
        let gate = old.resolver.hold("_mta-sts.first.example", .txt)
        try await old.run {
            async let first = old.answer("first.example")
            await gate.arrivals()
            old.service.use(settings(new))
            let second = try await old.answer("second.example")
            #expect(second.rule == .testing)
            gate.open()
            // Its record was asked of the old servers, its policy of the new ones.
            #expect(try await first.rule == .testing)
        }
        #expect(old.resolver.count("_mta-sts.first.example", .txt) == 1)
        #expect(old.resolver.count("_mta-sts.second.example", .txt) == 0)
        #expect(new.resolver.count("_mta-sts.first.example", .txt) == 0)
    }

    @Test func `new clamps count for what is learnt from now on`() throws {
        var lab = try LedgerLab()
        try lab.hear(.absent(.nameError), timeToLive: 300)
        lab.ledger.use(LedgerSettings(maximumTTL: .seconds(10)))
        lab.clock.advance(.seconds(200))
        _ = try lab.answer()
        lab.clock.advance(.seconds(200))
        try lab.hear(.absent(.nameError), timeToLive: 300)
        lab.clock.advance(.seconds(11))
        #expect(try lab.start().step == .record)
    }

    @Test func `without a way to ask, DANE is off, and stays off until somebody switches it on`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        let validated = ScriptedValidatingResolver()
        validated.script("example.com", .mx, .secure(.records([mxData(10, "mx.example.com")])))
        validated.script("mx.example.com", .a, .secure(.records([[192, 88, 98, 2]])))
        validated.script("mx.example.com", .aaaa, .secure(.noData))
        let usable = [[3, 1, 1] + Array(repeating: UInt8(7), count: 32)]
        validated.script("_25._tcp.mx.example.com", .tlsa, .secure(.records(usable)))
        var withDANE = settings(lab)
        withDANE.dane = DANEDiscovery(resolver: validated)
        let without = settings(lab)
        try await lab.run { [withDANE] in
            var rules: [Decision.Rule] = []
            for (settings, isSwitchedOn) in [(withDANE, true), (without, true), (withDANE, false), (withDANE, true)] {
                lab.service.use(settings)
                if isSwitchedOn { lab.service.useDANE(true) }
                rules.append(try await lab.answer("example.com").rule)
            }
            #expect(rules == [.dane, .enforce, .enforce, .dane])
        }
    }
}

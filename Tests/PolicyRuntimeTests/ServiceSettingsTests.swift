import Discovery
import MTASTS
import PolicyCaching
import PolicyRuntime
import Testing
import TestSupport

/// New settings while lookups are in progress.
@Suite(.timeLimit(.minutes(5))) struct ServiceSettingsTests {
    private typealias Fixture = PolicyServiceTests.Fixture

    private func settings(
        _ fixture: Fixture, decisions: DecisionSettings = DecisionSettings(), cache: CacheSettings = CacheSettings()
    ) -> ServiceSettings {
        ServiceSettings(
            discovery: PolicyDiscovery(resolver: fixture.resolver, fetcher: fixture.fetcher), decisions: decisions,
            cache: cache)
    }

    @Test func `a waiting lookup is answered with the settings at the end of its discovery`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com", policy: policyText(mode: "testing"))
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.run {
            async let answer = fixture.answer("example.com")
            await gate.arrivals()
            fixture.service.update(settings: settings(fixture, decisions: DecisionSettings(enforceTesting: true)))
            gate.open()
            guard case .secure = try await answer.action else { throw UnexpectedError(what: "the old settings") }
            fixture.service.update(settings: settings(fixture))
            let hit = fixture.service.decision(for: Destination(domain: try domain("example.com")))
            #expect(hit?.action == .notFound)
        }
    }

    @Test func `new discoveries use the new servers, those in progress use the old ones`()
        async throws
    {
        let old = Fixture()
        let new = Fixture()
        for name in ["first.example", "second.example"] {
            old.publish(name)
            new.publish(name, policy: policyText(mode: "testing"))
        }
        let gate = old.resolver.hold("_mta-sts.first.example", type: .txt)
        try await old.run {
            async let first = old.answer("first.example")
            await gate.arrivals()
            old.service.update(settings: settings(new))
            let second = try await old.answer("second.example")
            #expect(second.rule == .testing)
            gate.open()
            // The record comes from the old servers, the policy from the new ones.
            #expect(try await first.rule == .testing)
        }
        #expect(old.resolver.count("_mta-sts.first.example", type: .txt) == 1)
        #expect(old.resolver.count("_mta-sts.second.example", type: .txt) == 0)
        #expect(new.resolver.count("_mta-sts.first.example", type: .txt) == 0)
    }

    @Test func `without a DANE discovery, DANE is off and stays off until it is switched on`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        let validated = ScriptedValidatingResolver()
        validated.script("example.com", type: .mx, reply: .secure(.records([mxData(10, name: "mx.example.com")])))
        validated.script("mx.example.com", type: .a, reply: .secure(.records([[192, 88, 98, 2]])))
        validated.script("mx.example.com", type: .aaaa, reply: .secure(.noData))
        let usable = [[3, 1, 1] + Array(repeating: UInt8(7), count: 32)]
        validated.script("_25._tcp.mx.example.com", type: .tlsa, reply: .secure(.records(usable)))
        var withDANE = settings(fixture)
        withDANE.dane = DANEDiscovery(resolver: validated)
        let without = settings(fixture)
        try await fixture.run { [withDANE] in
            var rules: [Decision.Rule] = []
            for (settings, isSwitchedOn) in [(withDANE, true), (without, true), (withDANE, false), (withDANE, true)] {
                fixture.service.update(settings: settings)
                if isSwitchedOn { fixture.service.useDANE(true) }
                rules.append(try await fixture.answer("example.com").rule)
            }
            #expect(rules == [.dane, .enforce, .enforce, .dane])
        }
    }
}

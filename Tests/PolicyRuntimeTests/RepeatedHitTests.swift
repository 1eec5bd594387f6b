import Discovery
import MTASTS
import PolicyCaching
import PolicyRuntime
import Testing
import TestSupport

/// A hit is repeated without a new decision. So each change that its decision depends on has to end that.
@Suite(.timeLimit(.minutes(5))) struct RepeatedHitTests {
    private typealias Fixture = PolicyServiceTests.Fixture
    private static let name = "example.com"

    private func destination() throws -> Destination { Destination(domain: try domain(Self.name)) }

    private func settings(_ fixture: Fixture, decisions: DecisionSettings) -> ServiceSettings {
        ServiceSettings(
            discovery: PolicyDiscovery(resolver: fixture.resolver, fetcher: fixture.fetcher), decisions: decisions,
            cache: CacheSettings())
    }

    /// A hit for the domain after its first lookup.
    private func hit(in fixture: Fixture) async throws -> PolicyService.Hit {
        _ = try await fixture.answer(Self.name)
        return try #require(fixture.service.hit(try destination())?.hit)
    }

    private func repeats(_ hit: PolicyService.Hit, in fixture: Fixture) -> Bool {
        fixture.service.repeats(hit, rule: .enforce, reply: "secure", at: fixture.clock.now)
    }

    /// Expects that a hit is repeated before a change, and not after it.
    private func expectEnd(
        policy: String = policyText(), at location: SourceLocation = #_sourceLocation,
        after change: @Sendable @escaping (Fixture) async throws -> Void
    ) async throws {
        let fixture = Fixture()
        fixture.publish(Self.name, policy: policy)
        try await fixture.run {
            let hit = try await hit(in: fixture)
            #expect(repeats(hit, in: fixture), sourceLocation: location)
            try await change(fixture)
            #expect(!repeats(hit, in: fixture), sourceLocation: location)
        }
    }

    @Test func `a hit is repeated as long as nothing changes, and counts as a lookup`() async throws {
        let fixture = Fixture()
        fixture.publish(Self.name)
        try await fixture.run {
            let hit = try await hit(in: fixture)
            fixture.clock.advance(.seconds(10))
            #expect(repeats(hit, in: fixture))
            #expect(repeats(hit, in: fixture))
            let explanation = await fixture.service.explain(try destination())
            #expect(explanation.lookups.map(\.reply) == ["secure", "secure"])
            #expect(explanation.lookups.first?.at == fixture.clock.now)
        }
    }

    @Test func `no hit is repeated after its record has expired`() async throws {
        try await expectEnd { $0.clock.advance(.seconds(3_601)) }
    }

    @Test func `no hit is repeated after its policy has expired`() async throws {
        try await expectEnd(policy: policyText(maxAge: 30)) { $0.clock.advance(.seconds(30)) }
    }

    @Test func `no hit is repeated after the clock was set back`() async throws {
        try await expectEnd { $0.clock.advance(.seconds(-1)) }
    }

    @Test func `no hit is repeated after an override was set, even for another domain`() async throws {
        for name in [Self.name, "other.example"] {
            try await expectEnd { fixture in
                _ = try await fixture.service.set(
                    try testOverride(.exempt(mayEncrypt: false), of: name, since: fixture.clock.now))
            }
        }
    }

    @Test func `a hit of a domain with an override cannot be repeated`() async throws {
        let fixture = Fixture()
        fixture.publish(Self.name)
        try await fixture.run {
            _ = try await hit(in: fixture)
            _ = try await fixture.service.set(
                try testOverride(.exempt(mayEncrypt: false), of: Self.name, since: fixture.clock.now))
            let exempt = try #require(fixture.service.hit(try destination()))
            #expect(exempt.decision.rule == .exempt)
            #expect(exempt.hit == nil)
        }
    }

    @Test func `no hit is repeated after the settings changed, and none in observe mode`() async throws {
        try await expectEnd { fixture in
            let decisions = DecisionSettings(observes: true)
            fixture.service.update(settings: settings(fixture, decisions: decisions))
            let observed = try #require(fixture.service.hit(try destination()))
            #expect(observed.decision.rule == .observe)
            #expect(observed.hit == nil)
        }
    }

    @Test func `no hit is repeated after a refresh by the operator`() async throws {
        try await expectEnd { fixture in
            fixture.publish(Self.name, id: "2", policy: policyText(mx: ["other.example"]))
            // The minimum interval between two fetches.
            fixture.clock.advance(.seconds(1))
            _ = await fixture.service.refresh(try domain(Self.name))
        }
    }

    @Test func `no hit is repeated after the domain was forgotten`() async throws {
        try await expectEnd { fixture in
            _ = await fixture.service.forget(try domain(Self.name))
        }
    }
}

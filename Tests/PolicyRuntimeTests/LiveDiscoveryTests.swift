import Discovery
import MTASTS
import PolicyCaching
import PolicyRuntime
import TestSupport
import Testing

/// The discovery of `query` and `explain --live`.
@Suite(.timeLimit(.minutes(5))) struct LiveDiscoveryTests {
    private typealias Fixture = PolicyServiceTests.Fixture

    private func discover(
        _ name: String, in fixture: Fixture, decisions: DecisionSettings = DecisionSettings()
    ) async throws -> LiveResult {
        let settings = ServiceSettings(
            discovery: PolicyDiscovery(resolver: fixture.resolver, fetcher: fixture.fetcher), decisions: decisions)
        return await PolicyService.discoverLive(Destination(domain: try domain(name)), settings: settings)
    }

    @Test func `it decides by the policy, and stores nothing`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        try await fixture.run {
            try await fixture.loaded()
            let live = try await discover("example.com", in: fixture)
            #expect(live.decision.rule == .enforce)
            guard case .policy(let cached) = live.status else { throw UnexpectedError(what: "\(live.status)") }
            #expect(cached.id.text == "1")
            #expect(live.policy != nil && live.dane == nil)
            #expect(try await fixture.service.entry(of: domain("example.com")) == nil)
        }
        #expect(fixture.store[try domain("example.com")] == nil)
    }

    @Test func `without a record there is no fetch`() async throws {
        let fixture = Fixture()
        let live = try await discover("example.com", in: fixture)
        guard case .noPolicy = live.status else { throw UnexpectedError(what: "\(live.status)") }
        #expect(live.policy == nil)
        #expect(live.decision.rule == .noPolicy)
        #expect(fixture.fetcher.requests.isEmpty)
    }

    @Test func `the settings decide on a domain that cannot be found out`() async throws {
        let fixture = Fixture()
        fixture.resolver.script("_mta-sts.example.com", type: .txt, reply: .failure(.responseCode(2)))
        let live = try await discover("example.com", in: fixture, decisions: DecisionSettings(onUnknown: .defer))
        guard case .unknown(.record) = live.status else { throw UnexpectedError(what: "\(live.status)") }
        guard case .deferred = live.decision.action else { throw UnexpectedError(what: "\(live.decision)") }
        #expect(live.policy == nil)
    }
}

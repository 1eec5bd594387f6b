import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport

/// Each log line about a domain has its origin, so that refreshes do not look like lookups.
@Suite(.timeLimit(.minutes(5))) struct OriginTests {
    @Test func `each line has its origin; an unreadable row has the origin start`() async throws {
        let row = StoredRow.unreadable(domain: "bad.example", reason: "no id")
        let fixture = PolicyServiceTests.Fixture(store: MemoryPolicyStore(unreadable: [row]))
        fixture.publish("example.com")
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            await fixture.log.appearance(of: "policies loaded")
        }
        let origins = fixture.log.entries.filter { $0.facts["domain"] != nil }.map { [$0.message, $0.facts["origin"]] }
        #expect(
            Set(origins) == [["new policy", "lookup"], ["unreadable policy in the cache file, ignored", "start"]])
    }
}

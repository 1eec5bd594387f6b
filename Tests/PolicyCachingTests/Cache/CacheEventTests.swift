import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport

/// Changes are events, and tries are not.
@Suite struct CacheEventTests {
    @Test func `a policy is an event when it is new and when it is replaced, not when it is fetched again`()
        throws
    {
        var fixture = try CacheFixture()
        let first = try fixture.discover(id: "1", policy: fetched(maxAge: 100))
        guard case .policy(let old) = first.status else { throw UnexpectedError(what: "no policy") }
        #expect(first.events == [.new(old)])
        fixture.clock.advance(.seconds(100))
        #expect(try fixture.discover(id: "1", policy: fetched(maxAge: 100)).events == [])
        fixture.clock.advance(.seconds(100))
        let changes = try fixture.discover(id: "1", policy: fetched(mode: "testing", maxAge: 100)).events
        guard case .replaced(let before, let after)? = changes.first, changes.count == 1 else {
            Issue.record("not one replacement: \(changes)")
            return
        }
        #expect(before.policy.mode == .enforce)
        #expect(after.policy.mode == .testing)
    }

    @Test func `a failing fetch is an event once, another category of failure once more, its end once`() throws {
        var fixture = try CacheFixture()
        let broken = PolicyResult.failed(.fetch(.http(.status(500))))
        let expired = PolicyResult.failed(.fetch(.certificate(.expired)))
        #expect(try fixture.discover(policy: broken).events.count == 1)
        fixture.clock.advance(.seconds(300))
        #expect(try fixture.discover(policy: broken).events == [])
        fixture.clock.advance(.seconds(300))
        #expect(try fixture.discover(policy: expired).events.count == 1)
        fixture.clock.advance(.seconds(300))
        #expect(try fixture.discover(policy: fetched()).events.first == .fetchRecovered)
    }

    @Test func `a record that is missing while a policy is cached is an event once`() throws {
        var fixture = try CacheFixture()
        try fixture.discover(policy: fetched())
        fixture.clock.advance(.seconds(300))
        guard case .recordMissing(.nameError, _)? = try fixture.discover(record: .absent(.nameError)).events.first
        else {
            Issue.record("no event")
            return
        }
        fixture.clock.advance(.seconds(300))
        #expect(try fixture.discover(record: .absent(.nameError)).events == [])
    }

    @Test func `a failing TXT query is an event once, and its end once`() throws {
        var fixture = try CacheFixture()
        #expect(
            try fixture.discover(record: .failed(serverFailure)).events == [.recordFailed(serverFailure, cached: nil)])
        fixture.clock.advance(.seconds(60))
        #expect(try fixture.discover(record: .failed(serverFailure)).events == [])
        fixture.clock.advance(.seconds(60))
        #expect(try fixture.discover(record: .absent(.nameError)).events == [.recordRecovered])
    }

    @Test func `an enforced policy without a usable mx is an event`() throws {
        var fixture = try CacheFixture()
        let outcome = try fixture.discover(policy: fetched(mx: ["localhost", "192.0.2.1"]))
        guard case .policy(let cached) = outcome.status else { throw UnexpectedError(what: "no policy") }
        #expect(outcome.events.contains(.noUsableMX(cached)))
    }

    @Test func `events of a lookup have the origin lookup, events of a refresh the origin refresh`() throws {
        var fixture = try CacheFixture()
        let first = try fixture.discover(policy: fetched(maxAge: 7_200))
        #expect(first.origin == .lookup)
        let plan = try fixture.nextRefresh(within: .seconds(7_200))
        let failed = try fixture.refresh(plan, result: .failed(.fetch(.certificate(.expired))))
        #expect(!failed.events.isEmpty)
        #expect(failed.origin == .refresh)
        // Nine tenths of the lifetime end between two tries.
        var warnings: [DomainEvents] = []
        while warnings.isEmpty {
            let due = try fixture.nextDue(within: .seconds(3_600)).due
            warnings = due.domainEvents
            for plan in due.refreshes { try fixture.refresh(plan, result: .failed(.fetch(.certificate(.expired)))) }
        }
        #expect(warnings.map(\.origin) == [.refresh])
    }
}

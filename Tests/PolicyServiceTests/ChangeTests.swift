import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// The log tells changes, not attempts.
@Suite struct ChangeTests {
    @Test func `a policy is news when it is learnt and when it is replaced, not when it is fetched again`() throws {
        var lab = try LedgerLab()
        let first = try lab.learn(id: "1", fetched(maxAge: 100))
        guard case .policy(let old) = first.standing else { throw Unexpected(what: "no policy") }
        #expect(first.news.changes == [.learnt(old)])
        lab.clock.advance(.seconds(100))
        #expect(try lab.learn(id: "1", fetched(maxAge: 100)).news.changes == [])
        lab.clock.advance(.seconds(100))
        let changes = try lab.learn(id: "1", fetched(mode: "testing", maxAge: 100)).news.changes
        guard case .replaced(let before, let after)? = changes.first, changes.count == 1 else {
            Issue.record("not one replacement: \(changes)")
            return
        }
        #expect(before.policy.mode == .enforce)
        #expect(after.policy.mode == .testing)
    }

    @Test func `a failing fetch is news once, another kind of failure once more, its end once`() throws {
        var lab = try LedgerLab()
        let broken = PolicyFinding.failed(.fetch(.http(.status(500))))
        let expired = PolicyFinding.failed(.fetch(.certificate(.expired)))
        #expect(try lab.learn(broken).news.changes.count == 1)
        lab.clock.advance(.seconds(300))
        #expect(try lab.learn(broken).news.changes == [])
        lab.clock.advance(.seconds(300))
        #expect(try lab.learn(expired).news.changes.count == 1)
        lab.clock.advance(.seconds(300))
        #expect(try lab.learn(fetched()).news.changes.first == .fetchRecovered)
    }

    @Test func `a record that vanishes below a held policy is told once`() throws {
        var lab = try LedgerLab()
        try lab.learn(fetched())
        lab.clock.advance(.seconds(300))
        guard case .recordLost(.nameError, _)? = try lab.hear(.absent(.nameError)).news.changes.first else {
            Issue.record("not told")
            return
        }
        lab.clock.advance(.seconds(300))
        #expect(try lab.hear(.absent(.nameError)).news.changes == [])
    }

    @Test func `a failing TXT query is told once, and its end`() throws {
        var lab = try LedgerLab()
        #expect(try lab.hear(.failed(serverFailure)).news.changes == [.recordFailed(serverFailure, held: nil)])
        lab.clock.advance(.seconds(60))
        #expect(try lab.hear(.failed(serverFailure)).news.changes == [])
        lab.clock.advance(.seconds(60))
        #expect(try lab.hear(.absent(.nameError)).news.changes == [.recordRecovered])
    }

    @Test func `an enforced policy that names no host is told`() throws {
        var lab = try LedgerLab()
        let landing = try lab.learn(fetched(mx: ["localhost", "192.0.2.1"]))
        guard case .policy(let held) = landing.standing else { throw Unexpected(what: "no policy") }
        #expect(landing.news.changes.contains(.noUsableMX(held)))
    }
}

import Discovery
import TableServer
import PolicyCaching
import PostfixTable
import Testing
import TestSupport

/// The reason of a temporary error, which the operator reads in Postfix's log.
@Suite struct TableReplyTests {
    @Test func `a long name leaves space for the failed query and its cause`() throws {
        let label = String(repeating: "a", count: 60)
        let long = try domain("\(label).\(label).\(label).example")
        let reason = "_25._tcp.mx1.provider.example TLSA: SERVFAIL (servers 192.0.2.53)"
        let decision = Decision(rule: .daneUnknown, action: .deferred(.dane(reason)))
        guard case .temporary(let text) = TableReply(decision, for: long) else {
            Issue.record("no temporary error")
            return
        }
        #expect(text.text.hasPrefix("DANE of aaaa"))
        #expect(text.text.hasSuffix(reason))
        #expect(text.text.utf8.count <= 200)
    }
}

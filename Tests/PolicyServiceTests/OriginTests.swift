import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// Each log line about a domain says why we know (refreshes must not look like traffic).
@Suite(.timeLimit(.minutes(5))) struct OriginTests {
    @Test func `what a lookup finds out has the origin lookup, what a refresh finds out the origin refresh`() throws {
        var lab = try LedgerLab()
        let learnt = try lab.learn(fetched(maxAge: 7_200))
        #expect(learnt.news.origin == .lookup)
        let plan = try lab.nextRefresh(within: .seconds(7_200))
        let failed = try lab.refresh(plan, .failed(.fetch(.certificate(.expired))))
        #expect(!failed.news.changes.isEmpty)
        #expect(failed.news.origin == .refresh)
        // Between two tries nine tenths of the life go by.
        var told: [News] = []
        while told.isEmpty {
            let due = try lab.nextDue(within: .seconds(3_600)).due
            told = due.news
            for plan in due.refreshes { try lab.refresh(plan, .failed(.fetch(.certificate(.expired)))) }
        }
        #expect(told.map(\.origin) == [.refresh])
    }

    @Test func `the line says it; a row that cannot be read has the origin start`() async throws {
        let row = ArchivedRow.unreadable(domain: "bad.example", reason: "no id")
        let lab = PolicyServiceTests.Lab(archive: MemoryArchive(unreadable: [row]))
        lab.publish("example.com")
        try await lab.run {
            _ = try await lab.answer("example.com")
            await lab.log.appearance(of: "policies loaded")
        }
        let origins = lab.log.entries.filter { $0.facts["domain"] != nil }.map { [$0.message, $0.facts["origin"]] }
        #expect(Set(origins) == [["policy learnt", "lookup"], ["kept policy cannot be read, dropped", "start"]])
    }
}

import MTASTS
import PolicyCaching
import TestSupport
import Testing
import TextFormats

@testable import PolicyTransfer

@Suite struct PolicyExportTests {
    @Test func `the export of an empty store is a header and a trailer`() async throws {
        let (sink, summary) = try await runExport(of: try await openStore())
        #expect(sink.lines == [header, #"{"policies":0}"#])
        #expect(summary == ExportSummary())
    }

    @Test func `an import gives the exported policies, octet by octet, and the same export again`() async throws {
        let body = policyText()
        let long = body + "\nx: " + String(repeating: "y", count: 65_536 - body.utf8.count - 5) + "\n"
        #expect(long.utf8.count == 65_536)
        let texts = [
            body, body.replacing("\n", with: "\r\n") + "\r\n", policyText(mode: "none", mx: []), long,
            body + "\nx: \"q\" \\ / \u{2028} \u{85} \u{200B}\u{1F4E7} e\u{301}\n", body + "\n\n \t\n",
        ]
        let store = try await openStore()
        for (index, text) in texts.enumerated() {
            try await store.commit([
                .savePolicy(try StoredPolicy.sample("d\(index).example", text: text, id: "id\(index)"))
            ])
        }
        let (sink, summary) = try await runExport(of: store)
        #expect(summary == ExportSummary(exported: texts.count))
        let other = try await openStore()
        #expect(await runImport(of: sink.octets, into: other).summary == ImportSummary(imported: texts.count))
        for index in texts.indices {
            let name = try domain("d\(index).example")
            #expect(other[name] == store[name])
        }
        #expect(try await runExport(of: other).sink.lines.sorted() == sink.lines.sorted())
        let again = await runImport(of: sink.octets, into: other)
        #expect(again.summary == ImportSummary(older: texts.count))
    }

    @Test func `expired policies are counted, unreadable rows are reported with the domain escaped`() async throws {
        let skipped = SkippedRows()
        let store = try await openStore(
            try StoredPolicy.sample("alive.example", text: policyText(maxAge: 3_601)),
            try StoredPolicy.sample("over.example", text: policyText(maxAge: 3_600)),
            try StoredPolicy.sample("zero.example", text: policyText(maxAge: 0)),
            try StoredPolicy.sample("bad.example", text: "version: STSv1\nmode"),
            try StoredPolicy.sample("long.example", text: String(repeating: "\n", count: 65_536) + policyText()),
            unreadable: [.unreadable(domain: "\u{1B}[2J", reason: "no domain:\n\\x1B")])
        let sink = Sink()
        let summary = try await PolicyExport(store, now: now).run(to: sink.write, onSkippedRow: skipped.append)
        #expect(summary == ExportSummary(exported: 1, expired: 2, unreadable: 3))
        #expect(sink.lines.count == 3)
        #expect(sink.lines[1].contains("alive.example"))
        #expect(
            skipped.descriptions.sorted() == [
                #"\x1B[2J: no domain:\x0A\x1B"#, "bad.example: the policy is invalid: line 2: no colon",
                "long.example: the policy has \(65_536 + policyText().utf8.count) octets; expected at most 65536",
            ])
    }

    @Test func `a time in the future is exported as now, a time before 2000 as the year 2000`() async throws {
        for moment in [Int64.max, now.milliseconds] {
            let policy = StoredPolicy(
                domain: try domain("example.com"), text: Array(policyText().utf8), id: try recordID("1"),
                fetchedAt: WallTime(milliseconds: moment), expiresAt: WallTime(milliseconds: moment),
                lastLookupAt: WallTime(milliseconds: moment == .max ? .min : moment))
            let line = try await runExport(of: try await openStore(policy)).sink.lines[1]
            #expect(line.contains(#""fetched-at":"\#(nowText)""#))
            #expect(line.contains(#""asked-at":"\#(moment == .max ? "2000-01-01T00:00:00.000Z" : nowText)""#))
        }
        let old = try StoredPolicy.sample("example.com", age: .milliseconds(now.milliseconds) + .seconds(1))
        #expect(try await runExport(of: try await openStore(old)).summary == ExportSummary(expired: 1))
    }

    @Test func `STS-3.2-ab a clock that is behind does not shorten a policy that is exported and imported elsewhere`()
        async throws
    {
        let fetchedAt = now - .seconds(3_600)
        let text = Array(policyText().utf8)
        let (behind, since) = (now - .seconds(30 * 86_400), now - .seconds(30 * 86_400 + 60))
        let policy = StoredPolicy(
            domain: try domain("example.com"), text: text, id: try recordID("1"), fetchedAt: fetchedAt,
            expiresAt: fetchedAt + .seconds(604_800), lastLookupAt: behind, clockBehindSince: since)
        let octets = try await runExport(of: try await openStore(policy), at: behind).sink.octets
        // If the clock of the importing host is right, max_age counts from the fetch.
        let right = try await openStore()
        #expect(await runImport(of: octets, into: right).summary == ImportSummary(imported: 1))
        let row = try #require(right[policy.domain])
        #expect(row.fetchedAt == fetchedAt)
        #expect(row.expiresAt == policy.expiresAt)
        #expect(row.clockBehindSince == nil)
        // If it is behind too, max_age counts from the time at which this was noticed, in every import.
        let wrong = try await openStore()
        #expect(await runImport(of: octets, into: wrong, at: behind).summary == ImportSummary(imported: 1))
        #expect(wrong[policy.domain]?.clockBehindSince == since)
        #expect(await runImport(of: octets, into: wrong, at: behind + .seconds(60)).summary == ImportSummary(older: 1))
        let older = try await openStore(
            StoredPolicy(
                domain: policy.domain, text: text, id: try recordID("0"), fetchedAt: behind - .seconds(3_600),
                expiresAt: behind + .seconds(600_000), lastLookupAt: behind))
        #expect(await runImport(of: octets, into: older, at: behind).summary == ImportSummary(imported: 1))
        #expect(older[policy.domain]?.clockBehindSince == since)
        let late = await runImport(of: octets, into: try await openStore(), at: since + .seconds(604_800))
        #expect(late.summary == ImportSummary(expired: 1))
    }

    @Test
    func `STS-3.2-ab a fetch while the clock was behind counts as the earlier fetch, once the clock has passed that`()
        async throws
    {
        let (before, behind) = (now - .seconds(3_600), now - .seconds(30 * 86_400))
        func policy(fetchedAt: WallTime, previousFetchedAt: WallTime? = nil) throws -> StoredPolicy {
            StoredPolicy(
                domain: try domain("example.com"), text: Array(policyText().utf8), id: try recordID("1"),
                fetchedAt: fetchedAt, expiresAt: before + .seconds(604_800), lastLookupAt: before,
                previousFetchedAt: previousFetchedAt)
        }
        let cached = try policy(fetchedAt: behind, previousFetchedAt: before)
        // Now the clock is right again.
        let octets = try await runExport(of: try await openStore(cached)).sink.octets
        let other = try await openStore()
        #expect(await runImport(of: octets, into: other).summary == ImportSummary(imported: 1))
        #expect(other[cached.domain]?.fetchedAt == before)
        // A policy that was fetched earlier does not replace it.
        let old = try await runExport(of: try await openStore(try policy(fetchedAt: before - .seconds(60)))).sink.octets
        let store = try await openStore(cached)
        #expect(await runImport(of: old, into: store).summary == ImportSummary(older: 1))
        #expect(store[cached.domain] == cached)
        // While the clock is behind, nothing is special about the policy.
        let line = try await runExport(of: try await openStore(cached), at: behind + .seconds(60)).sink.lines[1]
        let time = try #require(RFC3339.text(of: behind))
        #expect(line.contains(#""fetched-at":"\#(time)""#))
        #expect(!line.contains("clock-behind-since"))
    }

    @Test(arguments: 0...4) func `a broken pipe stops the export, and the error is reported`(lines: Int)
        async throws
    {
        let store = try await openStore(
            try StoredPolicy.sample("a.example"), try StoredPolicy.sample("b.example"),
            try StoredPolicy.sample("c.example"),
            unreadable: [.unreadable(domain: "d", reason: "no domain")])
        let sink = Sink(breaksAfter: lines)
        do throws(ExportError) {
            _ = try await PolicyExport(store, now: now).run(to: sink.write)
            Issue.record("no error")
        } catch {
            #expect(error.cause == .sink(#"Broken pipe\x0A"#))
            // The unreadable row follows the three policies, so the export does not reach it.
            let unreadable = lines > 3 ? 1 : 0
            #expect(error.summary == ExportSummary(exported: max(0, min(3, lines - 1)), unreadable: unreadable))
        }
        #expect(sink.calls == lines + 1)
    }

    @Test func `after an error of the store, the file has no trailer`() async throws {
        let store = try await openStore(try StoredPolicy.sample("a.example"))
        store.fail(with: StoreError("disk on fire"))
        let sink = Sink()
        await #expect(throws: ExportError(cause: .store(StoreError("disk on fire")), summary: ExportSummary())) {
            try await PolicyExport(store, now: now).run(to: sink.write)
        }
        #expect(sink.lines == [header])
    }

    @Test func `with a clock before the year 2000, nothing is exported`() async throws {
        let sink = Sink()
        await #expect(throws: ExportError(cause: .clock, summary: ExportSummary())) {
            try await PolicyExport(MemoryPolicyStore(), now: WallTime(milliseconds: 0)).run(to: sink.write)
        }
        #expect(sink.calls == 0)
    }
}

/// Collects the descriptions of skipped rows.
private final class SkippedRows: Sendable {
    private let sink = Sink()

    @Sendable func append(_ row: SkippedRow) {
        try? sink.write(Array("\(row)\n".utf8))
    }

    var descriptions: [String] { sink.lines }
}

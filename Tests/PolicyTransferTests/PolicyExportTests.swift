import MTASTS
import PolicyService
import TestSupport
import Testing

@testable import PolicyTransfer

@Suite struct PolicyExportTests {
    @Test func `an empty archive gives the first line and the last`() async throws {
        let (sink, summary) = try await exported(try await opened())
        #expect(sink.lines == [header, #"{"policies":0}"#])
        #expect(summary == ExportSummary())
    }

    @Test func `what is imported is what was exported, octet by octet, and its export is the same`() async throws {
        let body = policyText()
        let long = body + "\nx: " + String(repeating: "y", count: 65_536 - body.utf8.count - 5) + "\n"
        #expect(long.utf8.count == 65_536)
        let texts = [
            body, body.replacing("\n", with: "\r\n") + "\r\n", policyText(mode: "none", mx: []), long,
            body + "\nx: \"q\" \\ / \u{2028} \u{85} \u{200B}\u{1F4E7} e\u{301}\n", body + "\n\n \t\n",
        ]
        let archive = try await opened()
        for (index, text) in texts.enumerated() {
            try await archive.commit([.keep(try kept("d\(index).example", text, id: "id\(index)"))])
        }
        let (sink, summary) = try await exported(archive)
        #expect(summary == ExportSummary(exported: texts.count))
        let other = try await opened()
        #expect(await imported(sink.octets, into: other).summary == ImportSummary(imported: texts.count))
        for index in texts.indices {
            let name = try domain("d\(index).example")
            #expect(other[name] == archive[name])
        }
        #expect(try await exported(other).sink.lines.sorted() == sink.lines.sorted())
        let again = await imported(sink.octets, into: other)
        #expect(again.summary == ImportSummary(older: texts.count))
    }

    @Test func `the expired are counted, what cannot be read is reported with its domain escaped`() async throws {
        let heard = Heard()
        let archive = try await opened(
            try kept("alive.example", policyText(maxAge: 3_601)), try kept("over.example", policyText(maxAge: 3_600)),
            try kept("zero.example", policyText(maxAge: 0)), try kept("bad.example", "version: STSv1\nmode"),
            try kept("long.example", String(repeating: "\n", count: 65_536) + policyText()),
            unreadable: [.unreadable(domain: "\u{1B}[2J", reason: "no domain:\n\\x1B")])
        let sink = Sink()
        let summary = try await PolicyExport(archive, now: now).run(to: sink.write, leftOut: heard.append)
        #expect(summary == ExportSummary(exported: 1, expired: 2, unreadable: 3))
        #expect(sink.lines.count == 3)
        #expect(sink.lines[1].contains("alive.example"))
        #expect(
            heard.all.sorted() == [
                #"\x1B[2J: no domain:\x0A\x1B"#, "bad.example: the policy is invalid: line 2: no colon",
                "long.example: the policy has \(65_536 + policyText().utf8.count) octets; expected at most 65536",
            ])
    }

    @Test func `moments in the future, or before all time, are written as what they count for`() async throws {
        for moment in [Int64.max, now.milliseconds] {
            let policy = ArchivedPolicy(
                domain: try domain("example.com"), text: Array(policyText().utf8), id: try recordID("1"),
                fetchedAt: WallTime(milliseconds: moment), expiresAt: WallTime(milliseconds: moment),
                askedAt: WallTime(milliseconds: moment == .max ? .min : moment))
            let line = try await exported(try await opened(policy)).sink.lines[1]
            #expect(line.contains(#""fetched-at":"\#(nowText)""#))
            #expect(line.contains(#""asked-at":"\#(moment == .max ? "2000-01-01T00:00:00.000Z" : nowText)""#))
        }
        let old = try kept("example.com", age: .milliseconds(now.milliseconds) + .seconds(1))
        #expect(try await exported(try await opened(old)).summary == ExportSummary(expired: 1))
    }

    @Test func `STS-3.2-ab a clock that is behind takes nothing from a policy that is exported and imported elsewhere`()
        async throws
    {
        let fetchedAt = now - .seconds(3_600)
        let text = Array(policyText().utf8)
        let (behind, since) = (now - .seconds(30 * 86_400), now - .seconds(30 * 86_400 + 60))
        let policy = ArchivedPolicy(
            domain: try domain("example.com"), text: text, id: try recordID("1"), fetchedAt: fetchedAt,
            expiresAt: fetchedAt + .seconds(604_800), askedAt: behind, clockBehindSince: since)
        let octets = try await exported(try await opened(policy), at: behind).sink.octets
        // Where the clock is right the life counts from the fetch.
        let right = try await opened()
        #expect(await imported(octets, into: right).summary == ImportSummary(imported: 1))
        let row = try #require(right[policy.domain])
        #expect(row.fetchedAt == fetchedAt)
        #expect(row.expiresAt == policy.expiresAt)
        #expect(row.clockBehindSince == nil)
        // On a host whose clock is behind too it counts from when that was noticed, however often it is imported.
        let wrong = try await opened()
        #expect(await imported(octets, into: wrong, at: behind).summary == ImportSummary(imported: 1))
        #expect(wrong[policy.domain]?.clockBehindSince == since)
        #expect(await imported(octets, into: wrong, at: behind + .seconds(60)).summary == ImportSummary(older: 1))
        let older = try await opened(
            ArchivedPolicy(
                domain: policy.domain, text: text, id: try recordID("0"), fetchedAt: behind - .seconds(3_600),
                expiresAt: behind + .seconds(600_000), askedAt: behind))
        #expect(await imported(octets, into: older, at: behind).summary == ImportSummary(imported: 1))
        #expect(older[policy.domain]?.clockBehindSince == since)
        let late = await imported(octets, into: try await opened(), at: since + .seconds(604_800))
        #expect(late.summary == ImportSummary(expired: 1))
    }

    @Test
    func `STS-3.2-ab a fetch while the clock was behind counts as the one before it, once the clock has passed that`()
        async throws
    {
        let (before, behind) = (now - .seconds(3_600), now - .seconds(30 * 86_400))
        func policy(fetchedAt: WallTime, previousFetchedAt: WallTime? = nil) throws -> ArchivedPolicy {
            ArchivedPolicy(
                domain: try domain("example.com"), text: Array(policyText().utf8), id: try recordID("1"),
                fetchedAt: fetchedAt, expiresAt: before + .seconds(604_800), askedAt: before,
                previousFetchedAt: previousFetchedAt)
        }
        let held = try policy(fetchedAt: behind, previousFetchedAt: before)
        // The clock is right again.
        let octets = try await exported(try await opened(held)).sink.octets
        let other = try await opened()
        #expect(await imported(octets, into: other).summary == ImportSummary(imported: 1))
        #expect(other[held.domain]?.fetchedAt == before)
        // One that was fetched earlier does not replace it.
        let old = try await exported(try await opened(try policy(fetchedAt: before - .seconds(60)))).sink.octets
        let archive = try await opened(held)
        #expect(await imported(old, into: archive).summary == ImportSummary(older: 1))
        #expect(archive[held.domain] == held)
        // While the clock is behind it is an ordinary policy.
        let line = try await exported(try await opened(held), at: behind + .seconds(60)).sink.lines[1]
        let time = try #require(RFC3339.text(of: behind))
        #expect(line.contains(#""fetched-at":"\#(time)""#))
        #expect(!line.contains("clock-behind-since"))
    }

    @Test(arguments: 0...4) func `a broken pipe stops it: nothing more is written, and it is told`(lines: Int)
        async throws
    {
        let archive = try await opened(
            try kept("a.example"), try kept("b.example"), try kept("c.example"),
            unreadable: [.unreadable(domain: "d", reason: "no domain")])
        let sink = Sink(breaksAfter: lines)
        do throws(ExportFailure) {
            _ = try await PolicyExport(archive, now: now).run(to: sink.write)
            Issue.record("no failure")
        } catch {
            #expect(error.reason == .sink(#"Broken pipe\x0A"#))
            // The row that cannot be read comes after the three: it is not even looked at.
            let unreadable = lines > 3 ? 1 : 0
            #expect(error.done == ExportSummary(exported: max(0, min(3, lines - 1)), unreadable: unreadable))
        }
        #expect(sink.calls == lines + 1)
    }

    @Test func `an archive that fails leaves a file without its last line`() async throws {
        let archive = try await opened(try kept("a.example"))
        archive.fail(with: ArchiveFailure("disk on fire"))
        let sink = Sink()
        await #expect(throws: ExportFailure(reason: .archive(ArchiveFailure("disk on fire")), done: ExportSummary())) {
            try await PolicyExport(archive, now: now).run(to: sink.write)
        }
        #expect(sink.lines == [header])
    }

    @Test func `a clock before the year 2000 exports nothing`() async throws {
        let sink = Sink()
        await #expect(throws: ExportFailure(reason: .clock, done: ExportSummary())) {
            try await PolicyExport(MemoryArchive(), now: WallTime(milliseconds: 0)).run(to: sink.write)
        }
        #expect(sink.calls == 0)
    }
}

/// Omissions as they are told.
private final class Heard: Sendable {
    private let sink = Sink()

    @Sendable func append(_ omission: ExportOmission) {
        try? sink.write(Array("\(omission)\n".utf8))
    }

    var all: [String] { sink.lines }
}

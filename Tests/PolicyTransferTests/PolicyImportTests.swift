import Foundation
import MTASTS
import PolicyCaching
import PolicyRuntime
import TestSupport
import Testing
import TextFormats

@testable import PolicyTransfer

@Suite struct PolicyImportTests {
    private let name: PolicyDomain

    init() throws {
        name = try domain("example.com")
    }

    private func fetched(_ time: WallTime) -> String { "\"\(RFC3339.text(of: time) ?? "never")\"" }

    @Test func `an imported policy has the times and the id of the file`() async throws {
        let store = try await openStore()
        let text = line(id: #""abc9""#, lastLookupAt: #""2026-11-20T00:00:00.000Z""#)
        #expect(await runImport(of: file(text), into: store).summary == ImportSummary(imported: 1))
        let fetchedAt = now - .seconds(3_600)
        #expect(
            store[name]
                == StoredPolicy(
                    domain: name, text: Array(policyText().utf8), id: try recordID("abc9"), fetchedAt: fetchedAt,
                    expiresAt: fetchedAt + .seconds(604_800),
                    lastLookupAt: WallTime(milliseconds: 1_795_132_800_000)))
    }

    @Test func `base64 is accepted, and a domain in upper case is folded`() async throws {
        let store = try await openStore()
        let base64 = Data(policyText().utf8).base64EncodedString()
        let text = line(domain: #""Example.COM""#, policy: nil, base64: "\"\(base64)\"")
        #expect(await runImport(of: file(text), into: store).summary == ImportSummary(imported: 1))
        #expect(store[name]?.text == Array(policyText().utf8))
    }

    @Test func `a missing asked-at is the time of the fetch, and asked-at is never after now`() async throws {
        let store = try await openStore()
        _ = await runImport(of: file(line()), into: store)
        #expect(store[name]?.lastLookupAt == now - .seconds(3_600))
        let other = try await openStore()
        _ = await runImport(of: file(line(lastLookupAt: #""9999-01-01T00:00:00Z""#)), into: other)
        #expect(other[name]?.lastLookupAt == now)
    }

    @Test func `max_age is clamped to a year`() async throws {
        let store = try await openStore()
        _ = await runImport(of: file(line(policy: json(policyText(maxAge: 9_999_999_999)))), into: store)
        #expect(store[name]?.expiresAt == now - .seconds(3_600) + .seconds(31_557_600))
    }

    @Test(arguments: [
        (3_600_001, true), (3_600_000, false), (3_599_999, false), (0, false), (-1, false), (-86_400_000, false),
    ])
    func `only a stored policy that was fetched earlier is replaced`(age: Int, isReplaced: Bool) async throws {
        let stored = try StoredPolicy.sample(
            "example.com", text: policyText(mode: "testing"), id: "stored", age: .milliseconds(age), asked: .seconds(60)
        )
        let withRecord = StoredPolicy(
            domain: stored.domain, text: stored.text, id: stored.id, fetchedAt: stored.fetchedAt,
            expiresAt: stored.expiresAt,
            lastLookupAt: stored.lastLookupAt, record: .init(id: stored.id, at: now, lifetime: .seconds(60)),
            failure: .init(id: stored.id, at: now, count: 1, category: .fetchError, reason: "none"))
        let store = try await openStore(withRecord)
        let result = await runImport(of: file(line(id: #""file""#)), into: store)
        #expect(result.summary == (isReplaced ? ImportSummary(imported: 1) : ImportSummary(older: 1)))
        guard isReplaced else {
            #expect(store[name] == withRecord)
            #expect(store.commits.isEmpty)
            return
        }
        let row = try #require(store[name])
        #expect(row.id.text == "file")
        #expect(row.record == nil)
        #expect(row.failure == nil)
        #expect(row.lastLookupAt == stored.lastLookupAt, "Postfix asked after the fetch of the imported policy")
    }

    @Test func `an expired stored policy is not replaced by an earlier fetch`() async throws {
        let stored = try StoredPolicy.sample("example.com", text: policyText(maxAge: 60), age: .seconds(600))
        let store = try await openStore(stored)
        #expect(await runImport(of: file(line()), into: store).summary == ImportSummary(older: 1))
        #expect(store[name] == stored)
    }

    @Test func `a stored policy that cannot be parsed is replaced`() async throws {
        let store = try await openStore(try StoredPolicy.sample("example.com", text: "broken", age: .zero))
        #expect(await runImport(of: file(line()), into: store).summary == ImportSummary(imported: 1))
        let unreadable = UnreadableStore()
        #expect(await runImport(into: unreadable, from: once(file(line()))).summary == ImportSummary(imported: 1))
    }

    @Test(arguments: [(3_601, true), (3_600, false), (1, false)])
    func `an expired policy is counted and not imported`(maxAge: Int, isAlive: Bool) async throws {
        let store = try await openStore()
        let result = await runImport(of: file(line(policy: json(policyText(maxAge: maxAge)))), into: store)
        #expect(result.summary == (isAlive ? ImportSummary(imported: 1) : ImportSummary(expired: 1)))
        #expect((store[name] != nil) == isAlive)
    }

    @Test func `a fetch in the future counts as now`() async throws {
        let store = try await openStore()
        let text = line(fetchedAt: #""2027-01-01T00:00:00.000Z""#)
        #expect(await runImport(of: file(text), into: store).summary == ImportSummary(imported: 1))
        #expect(store[name]?.fetchedAt == now)
        #expect(store[name]?.expiresAt == now + .seconds(604_800))
    }

    @Test func `an export from the future is refused, whatever the times of its policies`() async throws {
        let store = try await openStore()
        for (header, isAccepted) in [
            ("2099-01-01T00:00:00.000Z", false), ("2026-11-21T07:05:00.124Z", false),
            ("2026-11-21T07:05:00.123Z", true),
        ] {
            let octets = Array(
                """
                {"exported-at":"\(header)","format":"sts-bridge-policies","version":1}
                \(line(fetchedAt: "\"\(header)\""))
                {"policies":1}
                """.utf8)
            let result = await runImport(of: octets, into: store)
            if isAccepted {
                #expect(result.summary == ImportSummary(imported: 1))
                #expect(store[name]?.fetchedAt == now)
            } else {
                let exportedAt = try #require(RFC3339.time(from: header))
                #expect(result.error == .fromTheFuture(exportedAt: exportedAt, now: now))
                #expect(result.summary == ImportSummary())
                #expect(store[name] == nil)
            }
        }
    }

    @Test func `importing a fetch in the future again does not extend its life`() async throws {
        let store = try await openStore()
        let octets = file(line(fetchedAt: #""2027-01-01T00:00:00.000Z""#))
        _ = await runImport(of: octets, into: store)
        let result = await runImport(of: octets, into: store, at: now + .seconds(86_400))
        #expect(result.summary == ImportSummary(older: 1))
        #expect(store[name]?.fetchedAt == now)
        let late = await runImport(of: octets, into: try await openStore(), at: now + .seconds(604_800))
        #expect(late.summary == ImportSummary(expired: 1))
    }

    @Test(arguments: [false, true])
    func `of two policies of a domain in a file, the later fetch wins in either order`(isReversed: Bool) async throws {
        let store = try await openStore()
        var lines = [
            line(id: #""new""#, fetchedAt: fetched(now - .seconds(60)), policy: json(policyText(mode: "testing"))),
            line(id: #""old""#, fetchedAt: fetched(now - .seconds(61))),
        ]
        if isReversed { lines.reverse() }
        let result = await runImport(of: file(lines), into: store)
        #expect(result.summary == ImportSummary(imported: 1, older: 1))
        #expect(store[name]?.id.text == "new")
    }

    @Test(arguments: [false, true])
    func `the later fetch also wins if the two policies are in different groups`(isReversed: Bool) async throws {
        let store = try await openStore()
        let ids = isReversed ? ["old", "new"] : ["new", "old"]
        let ages = ["new": 60, "old": 61]
        let ends = ids.map { line(id: "\"\($0)\"", fetchedAt: fetched(now - .seconds(ages[$0] ?? 0))) }
        let between = (1...1_500).map { line(domain: "\"d\($0).example\"") }
        _ = await runImport(of: file([ends[0]] + between + [ends[1]]), into: store)
        #expect(store[name]?.id.text == "new")
        #expect(store.commits.count == 2)
        #expect(store.commits[0].count == 1_000)
    }

    // MARK: Fetches while the clock was ahead

    private static let day = Duration.seconds(86_400)

    /// A line of a host whose clock was ahead at the fetch, which the host noticed five days ago.
    private func ahead(id: String = "ahead", days: Int = 3_000) -> String {
        line(
            id: "\"\(id)\"", fetchedAt: fetched(now + Self.day * days), behindSince: fetched(now - Self.day * 5))
    }

    @Test(arguments: [(Duration.seconds(300), false), (Self.day * 5, false), (Self.day * 6, true)])
    func `a fetch in the future counts as the time at which the clock was seen behind`(
        age: Duration, isReplaced: Bool
    ) async throws {
        let stored = try StoredPolicy.sample("example.com", id: "stored", age: age)
        let store = try await openStore(stored)
        let result = await runImport(of: file(ahead()), into: store)
        #expect(result.summary == (isReplaced ? ImportSummary(imported: 1) : ImportSummary(older: 1)))
        #expect(store[name]?.id.text == (isReplaced ? "ahead" : "stored"))
    }

    @Test(arguments: [false, true])
    func `within a file, a fetch in the future also counts as the time at which the clock was seen behind`(
        isReversed: Bool
    ) async throws {
        for (other, winner) in [
            (line(id: #""right""#, fetchedAt: fetched(now - .seconds(300))), "right"),
            (line(id: #""right""#, fetchedAt: fetched(now - Self.day * 6)), "ahead"),
            (ahead(id: "later", days: 3_001), "later"),
        ] {
            let store = try await openStore()
            let lines = isReversed ? [other, ahead()] : [ahead(), other]
            #expect(await runImport(of: file(lines), into: store).summary == ImportSummary(imported: 1, older: 1))
            #expect(store[name]?.id.text == winner)
        }
    }

    @Test func `long policies are committed before they need much memory`() async throws {
        let store = try await openStore()
        let long = policyText() + "\nx: " + String(repeating: "y", count: 65_000) + "\n"
        let lines = (1...200).map { line(domain: "\"d\($0).example\"", policy: json(long)) }
        #expect(await runImport(of: file(lines), into: store).summary == ImportSummary(imported: 200))
        #expect(store.commits.count == 2)
    }

    @Test func `an error of the store stops the import, with the summary until then`() async throws {
        let store = try await openStore()
        var chunks = [
            Array(([header] + (1...1_200).map { line(domain: "\"d\($0).example\"") }).map { $0 + "\n" }.joined().utf8),
            Array((1_201...2_500).map { line(domain: "\"d\($0).example\"") + "\n" }.joined().utf8),
            Array("nonsense".utf8),
        ]
        let result = await runImport(into: store) {
            if chunks.count == 2 { store.fail(with: StoreError("disk full")) }
            return chunks.isEmpty ? nil : chunks.removeFirst()
        }
        #expect(result.error == .store(StoreError("disk full")))
        #expect(result.summary == ImportSummary(imported: 1_000))
        #expect(store.commits.count == 1)
        #expect(chunks.count == 1, "nothing more is read")
    }

    @Test func `after an error of the source, the lines before it are imported`() async throws {
        struct ConnectionError: Error, CustomStringConvertible { let description = "Connection\nreset" }
        let store = try await openStore()
        var chunks = [file(line())[...].dropLast(15)]
        let result = await runImport(into: store) {
            guard !chunks.isEmpty else { throw ConnectionError() }
            return Array(chunks.removeFirst())
        }
        #expect(result.error == .source(#"Connection\x0Areset"#))
        #expect(result.summary == ImportSummary(imported: 1))
    }

    @Test func `a policy that is fetched during the import is not replaced`() async throws {
        let store = try await openStore()
        let fresh = try StoredPolicy.sample("example.com", id: "fresh", age: .seconds(-5))
        var chunks = [file(line())]
        let result = await runImport(into: store) {
            guard chunks.isEmpty else { return chunks.removeFirst() }
            try await store.commit([.savePolicy(fresh)])
            return nil
        }
        #expect(result.summary == ImportSummary(older: 1))
        #expect(store[name] == fresh)
    }

    @Test func `a line of 100 MB is refused and not kept in memory`() async throws {
        let store = try await openStore()
        let chunk = Array(repeating: UInt8(ascii: "x"), count: 65_536)
        var left = 1_600
        var ends = [Array((header + "\n").utf8), Array(("\n" + line() + "\n" + #"{"policies":2}"#).utf8)]
        let before = try Self.peakMemory()
        let result = await runImport(into: store) {
            if ends.count == 1, left > 0 {
                left -= 1
                return chunk
            }
            return ends.isEmpty ? nil : ends.removeFirst()
        }
        #expect(result.refusedLines == [RefusedLine(number: 2, error: .tooLong)])
        #expect(result.summary == ImportSummary(imported: 1, refused: 1))
        #expect(try Self.peakMemory() - before < 80_000, "kB, other tests included")
    }

    @Test func `nothing is imported without a store or with a wrong clock`() async throws {
        #expect(await runImport(into: NoStore(), from: once(file(line()))).error == .noStore)
        let store = try await openStore()
        let result = await runImport(of: file(line()), into: store, at: WallTime(milliseconds: 0))
        #expect(result.error == .clock)
        #expect(store.commits.isEmpty)
    }

    @Test func `an error says what failed, why, and how many policies were imported`() {
        let error = IncompleteImportError(cause: .truncated(afterLine: 7), summary: ImportSummary(imported: 5))
        #expect(
            error.description
                == "the file ends after line 7 without its last line, {\"policies\":…}; other lines may be missing too; "
                + "copy the export again; 5 policies were imported")
        #expect(
            IncompleteImportError(cause: .otherVersion(2), summary: ImportSummary()).description
                == "the file has version 2 of the format; this sts-bridge reads version 1; nothing was imported")
    }

    /// The peak of the resident memory in kB.
    private static func peakMemory() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        return try #require(Int(line.filter(\.isNumber)))
    }

    private func once(_ octets: [UInt8]) -> nonisolated(nonsending) () async throws -> [UInt8]? {
        var chunks = [octets]
        return { chunks.isEmpty ? nil : chunks.removeFirst() }
    }
}

/// Every row of this store is unreadable.
private struct UnreadableStore: PolicyStore {
    var storesNothing: Bool { false }
    func open() -> StoreOpening { .unchanged }
    func load(_ take: @escaping @Sendable ([StoredRow]) -> Void) {}
    func row(of domain: PolicyDomain) -> StoredRow? { .unreadable(domain: domain.name.text, reason: "no id") }
    func overrides() -> [StoredOverride] { [] }
    func commit(_ changes: [StoreChange]) {}
    func purge(at now: WallTime, grace: Duration) -> [StoredPolicy] { [] }
    func otherProcesses(since version: StoreVersion?) -> OtherProcesses { .none }
    func close() {}
}

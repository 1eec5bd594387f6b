import Foundation
import MTASTS
import PolicyService
import TestSupport
import Testing

@testable import PolicyTransfer

@Suite struct PolicyImportTests {
    private let name: PolicyDomain

    init() throws {
        name = try domain("example.com")
    }

    private func fetched(_ time: WallTime) -> String { "\"\(RFC3339.text(of: time) ?? "never")\"" }

    @Test func `a policy is kept with the times and the id of the file`() async throws {
        let archive = try await opened()
        let text = line(id: #""abc9""#, askedAt: #""2026-11-20T00:00:00.000Z""#)
        #expect(await imported(file(text), into: archive).summary == ImportSummary(imported: 1))
        let fetchedAt = now - .seconds(3_600)
        #expect(
            archive[name]
                == ArchivedPolicy(
                    domain: name, text: Array(policyText().utf8), id: try recordID("abc9"), fetchedAt: fetchedAt,
                    expiresAt: fetchedAt + .seconds(604_800),
                    askedAt: WallTime(milliseconds: 1_795_132_800_000)))
    }

    @Test func `base64 serves as well, and upper case is folded`() async throws {
        let archive = try await opened()
        let base64 = Data(policyText().utf8).base64EncodedString()
        let text = line(domain: #""Example.COM""#, policy: nil, base64: "\"\(base64)\"")
        #expect(await imported(file(text), into: archive).summary == ImportSummary(imported: 1))
        #expect(archive[name]?.text == Array(policyText().utf8))
    }

    @Test func `asked-at is the fetch where it is missing, and never after now`() async throws {
        let archive = try await opened()
        _ = await imported(file(line()), into: archive)
        #expect(archive[name]?.askedAt == now - .seconds(3_600))
        let other = try await opened()
        _ = await imported(file(line(askedAt: #""9999-01-01T00:00:00Z""#)), into: other)
        #expect(other[name]?.askedAt == now)
    }

    @Test func `max_age is clamped to a year`() async throws {
        let archive = try await opened()
        _ = await imported(file(line(policy: json(policyText(maxAge: 9_999_999_999)))), into: archive)
        #expect(archive[name]?.expiresAt == now - .seconds(3_600) + .seconds(31_557_600))
    }

    @Test(arguments: [
        (3_600_001, true), (3_600_000, false), (3_599_999, false), (0, false), (-1, false), (-86_400_000, false),
    ])
    func `only a held policy that was fetched earlier gives way`(age: Int, givesWay: Bool) async throws {
        let held = try kept(
            "example.com", policyText(mode: "testing"), id: "held", age: .milliseconds(age), asked: .seconds(60))
        let noted = ArchivedPolicy(
            domain: held.domain, text: held.text, id: held.id, fetchedAt: held.fetchedAt, expiresAt: held.expiresAt,
            askedAt: held.askedAt, record: .init(id: held.id, at: now, lifetime: .seconds(60)),
            failure: .init(id: held.id, at: now, count: 1, category: .fetchError, reason: "none"))
        let archive = try await opened(noted)
        let result = await imported(file(line(id: #""file""#)), into: archive)
        #expect(result.summary == (givesWay ? ImportSummary(imported: 1) : ImportSummary(older: 1)))
        guard givesWay else {
            #expect(archive[name] == noted)
            #expect(archive.commits.isEmpty)
            return
        }
        let row = try #require(archive[name])
        #expect(row.id.text == "file")
        #expect(row.record == nil)
        #expect(row.failure == nil)
        #expect(row.askedAt == held.askedAt, "it was asked for after the fetch of the imported one")
    }

    @Test func `a held policy whose life is over still stands before what was fetched earlier`() async throws {
        let held = try kept("example.com", policyText(maxAge: 60), age: .seconds(600))
        let archive = try await opened(held)
        #expect(await imported(file(line()), into: archive).summary == ImportSummary(older: 1))
        #expect(archive[name] == held)
    }

    @Test func `a held policy that cannot be read gives way`() async throws {
        let archive = try await opened(try kept("example.com", "broken", age: .zero))
        #expect(await imported(file(line()), into: archive).summary == ImportSummary(imported: 1))
        let unreadable = UnreadableArchive()
        #expect(await imported(into: unreadable, from: once(file(line()))).summary == ImportSummary(imported: 1))
    }

    @Test(arguments: [(3_601, true), (3_600, false), (1, false)])
    func `a policy whose life is over is counted and not kept`(maxAge: Int, isAlive: Bool) async throws {
        let archive = try await opened()
        let result = await imported(file(line(policy: json(policyText(maxAge: maxAge)))), into: archive)
        #expect(result.summary == (isAlive ? ImportSummary(imported: 1) : ImportSummary(expired: 1)))
        #expect((archive[name] != nil) == isAlive)
    }

    @Test func `a fetch in the future counts as now`() async throws {
        let archive = try await opened()
        let text = line(fetchedAt: #""2027-01-01T00:00:00.000Z""#)
        #expect(await imported(file(text), into: archive).summary == ImportSummary(imported: 1))
        #expect(archive[name]?.fetchedAt == now)
        #expect(archive[name]?.expiresAt == now + .seconds(604_800))
    }

    @Test func `an export that is dated in the future is refused, whatever its policies say`() async throws {
        let archive = try await opened()
        for (header, isTaken) in [
            ("2099-01-01T00:00:00.000Z", false), ("2026-11-21T07:05:00.124Z", false),
            ("2026-11-21T07:05:00.123Z", true),
        ] {
            let octets = Array(
                """
                {"exported-at":"\(header)","format":"sts-bridge-policies","version":1}
                \(line(fetchedAt: "\"\(header)\""))
                {"policies":1}
                """.utf8)
            let result = await imported(octets, into: archive)
            if isTaken {
                #expect(result.summary == ImportSummary(imported: 1))
                #expect(archive[name]?.fetchedAt == now)
            } else {
                let exportedAt = try #require(RFC3339.read(header))
                #expect(result.failure == .fromTheFuture(exportedAt: exportedAt, now: now))
                #expect(result.summary == ImportSummary())
                #expect(archive[name] == nil)
            }
        }
    }

    @Test func `a fetch in the future does not live longer for being imported again`() async throws {
        let archive = try await opened()
        let octets = file(line(fetchedAt: #""2027-01-01T00:00:00.000Z""#))
        _ = await imported(octets, into: archive)
        let result = await imported(octets, into: archive, at: now + .seconds(86_400))
        #expect(result.summary == ImportSummary(older: 1))
        #expect(archive[name]?.fetchedAt == now)
        let late = await imported(octets, into: try await opened(), at: now + .seconds(604_800))
        #expect(late.summary == ImportSummary(expired: 1))
    }

    @Test(arguments: [false, true])
    func `of one domain twice in a file the later fetched wins in either order`(isReversed: Bool) async throws {
        let archive = try await opened()
        var lines = [
            line(id: #""new""#, fetchedAt: fetched(now - .seconds(60)), policy: json(policyText(mode: "testing"))),
            line(id: #""old""#, fetchedAt: fetched(now - .seconds(61))),
        ]
        if isReversed { lines.reverse() }
        let result = await imported(file(lines), into: archive)
        #expect(result.summary == ImportSummary(imported: 1, older: 1))
        #expect(archive[name]?.id.text == "new")
    }

    @Test(arguments: [false, true])
    func `also where the two are in different groups`(isReversed: Bool) async throws {
        let archive = try await opened()
        let ids = isReversed ? ["old", "new"] : ["new", "old"]
        let ages = ["new": 60, "old": 61]
        let ends = ids.map { line(id: "\"\($0)\"", fetchedAt: fetched(now - .seconds(ages[$0] ?? 0))) }
        let between = (1...1_500).map { line(domain: "\"d\($0).example\"") }
        _ = await imported(file([ends[0]] + between + [ends[1]]), into: archive)
        #expect(archive[name]?.id.text == "new")
        #expect(archive.commits.count == 2)
        #expect(archive.commits[0].count == 1_000)
    }

    // MARK: Fetched by a clock that was ahead

    private static let day = Duration.seconds(86_400)

    /// Of a host whose clock was ahead at the fetch, which it noticed five days ago.
    private func ahead(id: String = "ahead", days: Int = 3_000) -> String {
        line(
            id: "\"\(id)\"", fetchedAt: fetched(now + Self.day * days), behindSince: fetched(now - Self.day * 5))
    }

    @Test(arguments: [(Duration.seconds(300), false), (Self.day * 5, false), (Self.day * 6, true)])
    func `a fetch in the future is no later than when the clock was seen behind`(
        age: Duration, givesWay: Bool
    ) async throws {
        let held = try kept("example.com", id: "held", age: age)
        let archive = try await opened(held)
        let result = await imported(file(ahead()), into: archive)
        #expect(result.summary == (givesWay ? ImportSummary(imported: 1) : ImportSummary(older: 1)))
        #expect(archive[name]?.id.text == (givesWay ? "ahead" : "held"))
    }

    @Test(arguments: [false, true])
    func `of one domain twice in a file a fetch in the future is no later than that either`(
        isReversed: Bool
    ) async throws {
        for (other, winner) in [
            (line(id: #""right""#, fetchedAt: fetched(now - .seconds(300))), "right"),
            (line(id: #""right""#, fetchedAt: fetched(now - Self.day * 6)), "ahead"),
            (ahead(id: "later", days: 3_001), "later"),
        ] {
            let archive = try await opened()
            let lines = isReversed ? [other, ahead()] : [ahead(), other]
            #expect(await imported(file(lines), into: archive).summary == ImportSummary(imported: 1, older: 1))
            #expect(archive[name]?.id.text == winner)
        }
    }

    @Test func `long policies are committed before they fill the memory`() async throws {
        let archive = try await opened()
        let long = policyText() + "\nx: " + String(repeating: "y", count: 65_000) + "\n"
        let lines = (1...200).map { line(domain: "\"d\($0).example\"", policy: json(long)) }
        #expect(await imported(file(lines), into: archive).summary == ImportSummary(imported: 200))
        #expect(archive.commits.count == 2)
    }

    @Test func `an archive that fails in the middle stops it with what was done`() async throws {
        let archive = try await opened()
        var pieces = [
            Array(([header] + (1...1_200).map { line(domain: "\"d\($0).example\"") }).map { $0 + "\n" }.joined().utf8),
            Array((1_201...2_500).map { line(domain: "\"d\($0).example\"") + "\n" }.joined().utf8),
            Array("nonsense".utf8),
        ]
        let result = await imported(into: archive) {
            if pieces.count == 2 { archive.fail(with: ArchiveFailure("disk full")) }
            return pieces.isEmpty ? nil : pieces.removeFirst()
        }
        #expect(result.failure == .archive(ArchiveFailure("disk full")))
        #expect(result.summary == ImportSummary(imported: 1_000))
        #expect(archive.commits.count == 1)
        #expect(pieces.count == 1, "nothing more is read")
    }

    @Test func `a source that fails leaves what came before it, and is told`() async throws {
        struct Torn: Error, CustomStringConvertible { let description = "Connection\nreset" }
        let archive = try await opened()
        var pieces = [file(line())[...].dropLast(15)]
        let result = await imported(into: archive) {
            guard !pieces.isEmpty else { throw Torn() }
            return Array(pieces.removeFirst())
        }
        #expect(result.failure == .source(#"Connection\x0Areset"#))
        #expect(result.summary == ImportSummary(imported: 1))
    }

    @Test func `a policy that is fetched while the file comes in is not overwritten`() async throws {
        let archive = try await opened()
        let fresh = try kept("example.com", id: "fresh", age: .seconds(-5))
        var pieces = [file(line())]
        let result = await imported(into: archive) {
            guard pieces.isEmpty else { return pieces.removeFirst() }
            try await archive.commit([.keep(fresh)])
            return nil
        }
        #expect(result.summary == ImportSummary(older: 1))
        #expect(archive[name] == fresh)
    }

    @Test func `a line of 100 MB is refused without being kept`() async throws {
        let archive = try await opened()
        let piece = Array(repeating: UInt8(ascii: "x"), count: 65_536)
        var left = 1_600
        var ends = [Array((header + "\n").utf8), Array(("\n" + line() + "\n" + #"{"policies":2}"#).utf8)]
        let before = try Self.peakMemory()
        let result = await imported(into: archive) {
            if ends.count == 1, left > 0 {
                left -= 1
                return piece
            }
            return ends.isEmpty ? nil : ends.removeFirst()
        }
        #expect(result.refusals == [LineRefusal(line: 2, fault: .tooLong)])
        #expect(result.summary == ImportSummary(imported: 1, refused: 1))
        #expect(try Self.peakMemory() - before < 80_000, "kB, other tests included")
    }

    @Test func `nothing is imported where nothing is kept, or by a clock that is wrong`() async throws {
        #expect(await imported(into: NoArchive(), from: once(file(line()))).failure == .nowhere)
        let archive = try await opened()
        let result = await imported(file(line()), into: archive, at: WallTime(milliseconds: 0))
        #expect(result.failure == .clock)
        #expect(archive.commits.isEmpty)
    }

    @Test func `failures say what, why, and what was done all the same`() {
        let failure = ImportFailure(reason: .endsEarly(afterLine: 7), done: ImportSummary(imported: 5))
        #expect(
            failure.description
                == "the file ends early, after line 7: its last line, {\"policies\":…}, is missing, and so may others be; "
                + "imported all the same: 5")
        #expect(
            ImportFailure(reason: .otherVersion(2), done: ImportSummary()).description
                == "the file has version 2 of the format; this sts-bridge reads version 1; nothing was imported")
    }

    /// In kB.
    private static func peakMemory() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        return try #require(Int(line.filter(\.isNumber)))
    }

    private func once(_ octets: [UInt8]) -> nonisolated(nonsending) () async throws -> [UInt8]? {
        var pieces = [octets]
        return { pieces.isEmpty ? nil : pieces.removeFirst() }
    }
}

/// Every row it has cannot be read.
private struct UnreadableArchive: PolicyArchive {
    var keepsNothing: Bool { false }
    func open() -> ArchiveOpening { .unchanged }
    func load(_ take: @escaping @Sendable ([ArchivedRow]) -> Void) {}
    func row(of domain: PolicyDomain) -> ArchivedRow? { .unreadable(domain: domain.name.text, reason: "no id") }
    func orders() -> [ArchivedOrder] { [] }
    func commit(_ changes: [ArchiveChange]) {}
    func purge(at now: WallTime, grace: Duration) -> [ArchivedPolicy] { [] }
    func close() {}
}

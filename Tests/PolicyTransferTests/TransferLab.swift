import MTASTS
import PolicyService
import Synchronization
import TestSupport

@testable import PolicyTransfer

/// 2026-11-21T07:00:00.123Z
let now = WallTime(milliseconds: 1_795_244_400_123)
let nowText = "2026-11-21T07:00:00.123Z"
let header = #"{"exported-at":"2026-11-21T07:00:00.123Z","format":"sts-bridge-policies","version":1}"#

func kept(
    _ name: String, _ text: String = policyText(), id: String = "1", age: Duration = .seconds(3_600),
    asked: Duration = .seconds(60)
) throws -> ArchivedPolicy {
    try kept(name, octets: Array(text.utf8), id: id, age: age, asked: asked)
}

func kept(
    _ name: String, octets: [UInt8], id: String = "1", age: Duration = .seconds(3_600), asked: Duration = .seconds(60)
) throws -> ArchivedPolicy {
    let fetchedAt = now + .zero - age
    let maxAge = (try? STSPolicy(octets))?.maxAge ?? 0
    return ArchivedPolicy(
        domain: try domain(name), text: octets, id: try recordID(id), fetchedAt: fetchedAt,
        expiresAt: fetchedAt + .seconds(maxAge), askedAt: now - asked)
}

extension WallTime {
    static func - (time: WallTime, span: Duration) -> WallTime {
        WallTime(milliseconds: time.milliseconds - span.milliseconds)
    }
}

/// A line of a policy, each field as JSON; `nil` leaves it out.
func line(
    domain: String? = #""example.com""#, id: String? = #""1""#, fetchedAt: String? = #""2026-11-21T06:00:00.123Z""#,
    behindSince: String? = nil, askedAt: String? = nil, policy: String? = json(policyText()), base64: String? = nil,
    other: String? = nil
) -> String {
    let fields = [
        ("domain", domain), ("id", id), ("fetched-at", fetchedAt), ("clock-behind-since", behindSince),
        ("asked-at", askedAt), ("policy", policy), ("policy-base64", base64), ("other", other),
    ]
    return "{" + fields.compactMap { key, value in value.map { "\"\(key)\":\($0)" } }.joined(separator: ",") + "}"
}

/// A text without quotes and backslashes.
func json(_ text: String) -> String {
    "\"" + text.replacing("\r", with: "\\r").replacing("\n", with: "\\n") + "\""
}

/// A file of these lines between the first and the last.
func file(_ lines: String...) -> [UInt8] { file(lines) }

func file(_ lines: [String]) -> [UInt8] {
    Array(([header] + lines + [#"{"policies":\#(lines.count)}"#]).map { $0 + "\n" }.joined().utf8)
}

/// What came of an import.
struct Imported {
    var summary = ImportSummary()
    var failure: ImportFailure.Reason?
    var refusals: [LineRefusal] = []
}

/// The octets in pieces.
func imported(
    _ octets: [UInt8], into archive: MemoryArchive, at time: WallTime = now, piece: Int = 65_536
) async -> Imported {
    var rest = octets[...]
    return await imported(into: archive, at: time) {
        guard !rest.isEmpty else { return nil }
        defer { rest = rest.dropFirst(piece) }
        return Array(rest.prefix(piece))
    }
}

func imported(
    into archive: any PolicyArchive, at time: WallTime = now,
    from next: nonisolated(nonsending) () async throws -> [UInt8]?
) async -> Imported {
    var result = Imported()
    do throws(ImportFailure) {
        result.summary = try await PolicyImport(into: archive, now: time).run(from: next) { result.refusals.append($0) }
    } catch {
        result.failure = error.reason
        result.summary = error.done
    }
    return result
}

func opened(_ policies: ArchivedPolicy..., unreadable: [ArchivedRow] = []) async throws -> MemoryArchive {
    let archive = MemoryArchive(policies, unreadable: unreadable)
    _ = try await archive.open()
    return archive
}

/// A sink that remembers, and breaks after some lines if told to.
final class Sink: Sendable {
    struct Broken: Error, CustomStringConvertible {
        let description = "Broken pipe\n"
    }

    private let state = Mutex((octets: [UInt8](), calls: 0))
    private let limit: Int

    init(breaksAfter limit: Int = .max) {
        self.limit = limit
    }

    @Sendable func write(_ line: [UInt8]) throws {
        try state.withLock { state in
            state.calls += 1
            guard state.calls <= limit else { throw Broken() }
            state.octets += line
        }
    }

    var octets: [UInt8] { state.withLock(\.octets) }
    var calls: Int { state.withLock(\.calls) }
    var lines: [String] { String(decoding: octets, as: UTF8.self).split(separator: "\n").map(String.init) }
}

func exported(_ archive: MemoryArchive, at time: WallTime = now) async throws -> (sink: Sink, summary: ExportSummary) {
    let sink = Sink()
    return (sink, try await PolicyExport(archive, now: time).run(to: sink.write))
}

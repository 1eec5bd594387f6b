import Foundation
import GRDB
import MTASTS
import PolicyService
import TestSupport
import Testing

@testable import SQLiteArchive

@Suite struct PolicyRowTests {
    let lab: ArchiveLab

    init() throws { lab = try ArchiveLab() }

    /// One that takes every value in every column.
    private func leaveLoosely() async throws {
        let record = ArchivedPolicy.Record(id: try recordID("r"), at: WallTime(milliseconds: 1), lifetime: .seconds(1))
        let failure = ArchivedPolicy.Failure(
            id: try recordID("f"), at: WallTime(milliseconds: 2), count: 1, category: .fetchError, reason: "no")
        try await lab.leave(
            try ArchiveContract.sample("bad.example", record: record, failure: failure),
            try ArchiveContract.sample("good.example"))
        try lab.change(
            "CREATE TABLE loose AS SELECT * FROM policy; DROP TABLE policy; ALTER TABLE loose RENAME TO policy")
    }

    @Test(arguments: [
        ("domain = 'localhost'", "localhost", "the domain is none"),
        ("domain = ''", "", "the domain is none"),
        ("domain = 'BAD.example'", "BAD.example", "the domain is none"),
        ("domain = CAST(x'62FF2E6578616D706C65' AS TEXT)", "b\u{FFFD}.example", "the domain is none"),
        ("domain = CAST(x'6261642E6578616D706C650078' AS TEXT)", "bad.example\0x", "the domain is none"),
        ("domain = 7", "7", "the domain is none"),
        ("domain = NULL", "", "the domain is none"),
        ("id = ''", "bad.example", "id is none"),
        ("id = 'not an id'", "bad.example", "id is none"),
        ("id = x'31'", "bad.example", "id is none"),
        ("id = 1.5", "bad.example", "id is none"),
        ("id = NULL", "bad.example", "id is none"),
        ("fetched_at = 'now'", "bad.example", "fetchedAt is impossible"),
        ("fetched_at = NULL", "bad.example", "fetchedAt is impossible"),
        ("fetched_at = 9223372036854775807", "bad.example", "fetchedAt is impossible"),
        ("fetched_at = -9223372036854775808", "bad.example", "fetchedAt is impossible"),
        ("expires_at = 1.5", "bad.example", "expiresAt is impossible"),
        ("asked_at = 9223372036854775807", "bad.example", "askedAt is impossible"),
        ("record_id = NULL", "bad.example", "recordID is missing"),
        ("record_at = NULL", "bad.example", "recordAt is missing"),
        ("record_lifetime = NULL", "bad.example", "recordLifetime is missing"),
        ("record_lifetime = -1", "bad.example", "recordLifetime is impossible"),
        ("record_at = 9223372036854775807", "bad.example", "recordAt is impossible"),
        ("record_id = '-'", "bad.example", "recordID is none"),
        ("failure_id = NULL", "bad.example", "failureID is missing"),
        ("failure_reason = NULL", "bad.example", "failureReason is missing"),
        ("failure_reason = x'00'", "bad.example", "failureReason is no text"),
        ("failure_category = 'other'", "bad.example", "failureCategory is none"),
        ("failure_count = 0", "bad.example", "failureCount is impossible"),
        ("failure_count = 9223372036854775807", "bad.example", "failureCount is impossible"),
        ("clock_behind_since = 'now'", "bad.example", "clockBehindSince is impossible"),
        ("clock_behind_since = 9223372036854775807", "bad.example", "clockBehindSince is impossible"),
        ("previous_fetched_at = 1.5", "bad.example", "previousFetchedAt is impossible"),
        ("end_logged = 2", "bad.example", "endLogged is impossible"),
        ("end_logged = NULL", "bad.example", "endLogged is impossible"),
        ("text = 'version: STSv1'", "bad.example", "the text is missing or too long"),
        ("text = NULL", "bad.example", "the text is missing or too long"),
        ("text = zeroblob(1048577)", "bad.example", "the text is missing or too long"),
    ])
    func `a row that is no policy is told, and the rest goes on`(
        _ change: String, _ domain: String, _ reason: String
    ) async throws {
        try await leaveLoosely()
        try lab.change("UPDATE policy SET \(change) WHERE domain = 'bad.example'")
        // Reading only: whether all this may be written to is another question.
        let archive = try SQLiteArchive(path: lab.path, access: .readOnly)
        let rows = try await archive.loaded()
        let good = ArchivedRow.policy(try ArchiveContract.sample("good.example"))
        #expect(rows == [.unreadable(domain: domain, reason: reason), good])
        if domain == "bad.example" {
            let row = try await archive.row(of: try TestSupport.domain("bad.example"))
            #expect(row == rows[0])
        }
        await archive.close()
    }

    @Test func `an unreadable row is replaced and removed like any other`() async throws {
        try await lab.leave(try ArchiveContract.sample("bad.example"))
        try lab.change("UPDATE policy SET id = '?'")
        let archive = try await lab.archive()
        let good = try ArchiveContract.sample("bad.example")
        let before = try await archive.row(of: good.domain)
        #expect(before == .unreadable(domain: "bad.example", reason: "id is none"))
        try await archive.keep(good)
        let after = try await archive.row(of: good.domain)
        #expect(after == .policy(good))
        await archive.close()
    }

    @Test func `every value that can be kept can be read`() async throws {
        let archive = try await lab.archive()
        let bounds = ArchivedPolicy(
            domain: try domain("bounds.example"), text: [UInt8](repeating: 0, count: 1_048_576), id: try recordID("1"),
            fetchedAt: WallTime(milliseconds: -1), expiresAt: WallTime(milliseconds: 253_402_300_799_999),
            askedAt: WallTime(milliseconds: 0),
            record: ArchivedPolicy.Record(id: try recordID("2"), at: WallTime(milliseconds: 0), lifetime: .zero),
            failure: ArchivedPolicy.Failure(
                id: try recordID("3"), at: WallTime(milliseconds: 0), count: Int(Int32.max), category: .policyInvalid,
                reason: ""))
        try await archive.keep(bounds)
        let row = try await archive.row(of: bounds.domain)
        #expect(row == .policy(bounds))
        await archive.close()
    }
}

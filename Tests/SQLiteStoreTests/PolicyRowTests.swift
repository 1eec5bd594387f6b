import Foundation
import GRDB
import MTASTS
import PolicyCaching
import TestSupport
import Testing
import TextFormats

@testable import SQLiteStore

@Suite struct PolicyRowTests {
    let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    /// One that takes every value in every column.
    private func leaveLoosely() async throws {
        let record = StoredPolicy.Record(id: try recordID("r"), at: WallTime(milliseconds: 1), lifetime: .seconds(1))
        let failure = StoredPolicy.Failure(
            id: try recordID("f"), at: WallTime(milliseconds: 2), count: 1, category: .fetchError, reason: "no")
        try await fixture.leave(
            try StoreContract.sample("bad.example", record: record, failure: failure),
            try StoreContract.sample("good.example"))
        try fixture.change(
            "CREATE TABLE loose AS SELECT * FROM policy; DROP TABLE policy; ALTER TABLE loose RENAME TO policy")
    }

    @Test(arguments: [
        ("domain = 'localhost'", "localhost", "invalid domain"),
        ("domain = ''", "", "invalid domain"),
        ("domain = 'BAD.example'", "BAD.example", "invalid domain"),
        ("domain = CAST(x'62FF2E6578616D706C65' AS TEXT)", "b\u{FFFD}.example", "invalid domain"),
        ("domain = CAST(x'6261642E6578616D706C650078' AS TEXT)", "bad.example\0x", "invalid domain"),
        ("domain = 7", "7", "invalid domain"),
        ("domain = NULL", "", "invalid domain"),
        ("id = ''", "bad.example", "invalid id"),
        ("id = 'not an id'", "bad.example", "invalid id"),
        ("id = x'31'", "bad.example", "invalid id"),
        ("id = 1.5", "bad.example", "invalid id"),
        ("id = NULL", "bad.example", "invalid id"),
        ("fetched_at = 'now'", "bad.example", "fetchedAt out of range"),
        ("fetched_at = NULL", "bad.example", "fetchedAt out of range"),
        ("fetched_at = 9223372036854775807", "bad.example", "fetchedAt out of range"),
        ("fetched_at = -9223372036854775808", "bad.example", "fetchedAt out of range"),
        ("expires_at = 1.5", "bad.example", "expiresAt out of range"),
        ("asked_at = 9223372036854775807", "bad.example", "askedAt out of range"),
        ("record_id = NULL", "bad.example", "recordID is missing"),
        ("record_at = NULL", "bad.example", "recordAt is missing"),
        ("record_lifetime = NULL", "bad.example", "recordLifetime is missing"),
        ("record_lifetime = -1", "bad.example", "recordLifetime out of range"),
        ("record_at = 9223372036854775807", "bad.example", "recordAt out of range"),
        ("record_id = '-'", "bad.example", "invalid recordID"),
        ("failure_id = NULL", "bad.example", "failureID is missing"),
        ("failure_reason = NULL", "bad.example", "failureReason is missing"),
        ("failure_reason = x'00'", "bad.example", "failureReason is not text"),
        ("failure_category = 'other'", "bad.example", "unknown failureCategory"),
        ("failure_count = 0", "bad.example", "failureCount out of range"),
        ("failure_count = 9223372036854775807", "bad.example", "failureCount out of range"),
        ("clock_behind_since = 'now'", "bad.example", "clockBehindSince out of range"),
        ("clock_behind_since = 9223372036854775807", "bad.example", "clockBehindSince out of range"),
        ("previous_fetched_at = 1.5", "bad.example", "previousFetchedAt out of range"),
        ("end_logged = 2", "bad.example", "endLogged out of range"),
        ("end_logged = NULL", "bad.example", "endLogged out of range"),
        ("text = 'version: STSv1'", "bad.example", "the text is missing or too long"),
        ("text = NULL", "bad.example", "the text is missing or too long"),
        ("text = zeroblob(1048577)", "bad.example", "the text is missing or too long"),
    ])
    func `a row that is not a policy is reported, and the other rows are read`(
        change: String, domain: String, reason: String
    ) async throws {
        try await leaveLoosely()
        try fixture.change("UPDATE policy SET \(change) WHERE domain = 'bad.example'")
        // Reading only: whether all this may be written to is another question.
        let store = try SQLitePolicyStore(path: fixture.path, access: .readOnly)
        let rows = try await store.loaded()
        let good = StoredRow.policy(try StoreContract.sample("good.example"))
        #expect(rows == [.unreadable(domain: domain, reason: reason), good])
        if domain == "bad.example" {
            let row = try await store.row(of: try TestSupport.domain("bad.example"))
            #expect(row == rows[0])
        }
        await store.close()
    }

    @Test func `an unreadable row is replaced and removed like any other`() async throws {
        try await fixture.leave(try StoreContract.sample("bad.example"))
        try fixture.change("UPDATE policy SET id = '?'")
        let store = try await fixture.store()
        let good = try StoreContract.sample("bad.example")
        let before = try await store.row(of: good.domain)
        #expect(before == .unreadable(domain: "bad.example", reason: "invalid id"))
        try await store.keep(good)
        let after = try await store.row(of: good.domain)
        #expect(after == .policy(good))
        await store.close()
    }

    @Test func `every value that can be kept can be read`() async throws {
        let store = try await fixture.store()
        let bounds = StoredPolicy(
            domain: try domain("bounds.example"), text: [UInt8](repeating: 0, count: 1_048_576), id: try recordID("1"),
            fetchedAt: WallTime(milliseconds: -1), expiresAt: WallTime(milliseconds: 253_402_300_799_999),
            lastLookupAt: WallTime(milliseconds: 0),
            record: StoredPolicy.Record(id: try recordID("2"), at: WallTime(milliseconds: 0), lifetime: .zero),
            failure: StoredPolicy.Failure(
                id: try recordID("3"), at: WallTime(milliseconds: 0), count: Int(Int32.max), category: .policyInvalid,
                reason: ""))
        try await store.keep(bounds)
        let row = try await store.row(of: bounds.domain)
        #expect(row == .policy(bounds))
        await store.close()
    }
}

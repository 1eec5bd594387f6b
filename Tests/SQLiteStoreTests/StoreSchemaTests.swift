import GRDB
import MTASTS
import PolicyCaching
import TestSupport
import Testing
import TextFormats

@testable import SQLiteStore

@Suite struct StoreSchemaTests {
    let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    /// As version 1 left it behind, in SQL of its own: this text never changes.
    private static let first = """
        PRAGMA journal_mode = WAL;
        PRAGMA application_id = 1398035266;
        CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
        INSERT INTO grdb_migrations VALUES ('1 policies');
        CREATE TABLE policy (
            domain TEXT NOT NULL PRIMARY KEY,
            id TEXT NOT NULL,
            fetched_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            asked_at INTEGER NOT NULL,
            lapsed_at INTEGER,
            record_id TEXT,
            record_at INTEGER,
            record_lifetime INTEGER,
            failure_id TEXT,
            failure_at INTEGER,
            failure_count INTEGER,
            failure_category TEXT,
            failure_reason TEXT,
            text BLOB NOT NULL
        ) STRICT;
        INSERT INTO policy VALUES (
            'first.example', 'a1', 1000, 2000, 1500, NULL, 'a2', 1600, 60000, 'a2', 1700, 4, 'sts-webpki-invalid',
            'expired', x'0041FF');
        """

    private func schema(_ path: String) throws -> [String] {
        try DatabaseQueue(path: path).read { database in
            try String.fetchAll(database, sql: "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
        }
    }

    @Test func `a store of the first version is read, written, and like a new one`() async throws {
        try fixture.change(Self.first)
        let store = try await fixture.store()
        let rows = try await store.loaded()
        let expected = StoredPolicy(
            domain: try domain("first.example"), text: [0, 0x41, 0xFF], id: try recordID("a1"),
            fetchedAt: WallTime(milliseconds: 1_000), expiresAt: WallTime(milliseconds: 2_000),
            lastLookupAt: WallTime(milliseconds: 1_500),
            record: StoredPolicy.Record(
                id: try recordID("a2"), at: WallTime(milliseconds: 1_600), lifetime: .seconds(60)),
            failure: StoredPolicy.Failure(
                id: try recordID("a2"), at: WallTime(milliseconds: 1_700), count: 4, category: .webPKIInvalid,
                reason: "expired"))
        #expect(rows == [.policy(expected)])
        try await store.keep(expected)
        await store.close()
        let new = try StoreFixture()
        try await new.leave()
        #expect(try schema(fixture.path) == schema(new.path))
    }

    @Test func `migrations are only ever added`() {
        #expect(StoreSchema.migrator.migrations == ["1 policies", "2 orders", "3 clock"])
    }

    @Test func `what the first version left is read where it cannot be brought up to date, and has no orders`()
        async throws
    {
        try fixture.change(Self.first)
        let reader = try SQLitePolicyStore(path: fixture.path, access: .readOnly)
        #expect(try await reader.loaded().count == 1)
        #expect(try await reader.overrides() == [])
        await reader.close()
        #expect(try !schema(fixture.path).contains { $0.contains("override") })
    }

    @Test func `a store with orders is not touched by a version that does not know them`() async throws {
        try await fixture.leave()
        // One that comes after ours does to us what ours does to the older version.
        try fixture.change("INSERT INTO grdb_migrations VALUES ('3 something')")
        #expect(fixture.openError() == .newerSchema(path: fixture.path))
        #expect(fixture.openError(.readOnly) == .newerSchema(path: fixture.path))
    }

    @Test func `a store without a table of ours is not read before there is one`() async throws {
        try await fixture.leave()
        try fixture.change("DROP TABLE policy; DROP TABLE override; DROP TABLE observe; DELETE FROM grdb_migrations")
        guard case .unreadable(let reason) = fixture.openError(.readOnly) else {
            Issue.record("it was read")
            return
        }
        #expect(reason.contains("older sts-bridge"))
        try await fixture.leave(try StoreContract.sample("new.example"))
    }
}

import GRDB
import MTASTS
import PolicyService
import TestSupport
import Testing

@testable import SQLiteArchive

@Suite struct ArchiveSchemaTests {
    let lab: ArchiveLab

    init() throws { lab = try ArchiveLab() }

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

    @Test func `an archive of the first version is read, written, and like a new one`() async throws {
        try lab.change(Self.first)
        let archive = try await lab.archive()
        let rows = try await archive.loaded()
        let expected = ArchivedPolicy(
            domain: try domain("first.example"), text: [0, 0x41, 0xFF], id: try recordID("a1"),
            fetchedAt: WallTime(milliseconds: 1_000), expiresAt: WallTime(milliseconds: 2_000),
            askedAt: WallTime(milliseconds: 1_500),
            record: ArchivedPolicy.Record(
                id: try recordID("a2"), at: WallTime(milliseconds: 1_600), lifetime: .seconds(60)),
            failure: ArchivedPolicy.Failure(
                id: try recordID("a2"), at: WallTime(milliseconds: 1_700), count: 4, category: .webPKIInvalid,
                reason: "expired"))
        #expect(rows == [.policy(expected)])
        try await archive.keep(expected)
        await archive.close()
        let new = try ArchiveLab()
        try await new.leave()
        #expect(try schema(lab.path) == schema(new.path))
    }

    @Test func `migrations are only ever added`() {
        #expect(ArchiveSchema.migrator.migrations == ["1 policies", "2 orders", "3 clock"])
    }

    @Test func `what the first version left is read where it cannot be brought up to date, and has no orders`()
        async throws
    {
        try lab.change(Self.first)
        let reader = try SQLiteArchive(path: lab.path, access: .readOnly)
        #expect(try await reader.loaded().count == 1)
        #expect(try await reader.orders() == [])
        await reader.close()
        #expect(try !schema(lab.path).contains { $0.contains("override") })
    }

    @Test func `an archive with orders is not touched by a version that does not know them`() async throws {
        try await lab.leave()
        // One that comes after ours does to us what ours does to the older version.
        try lab.change("INSERT INTO grdb_migrations VALUES ('3 something')")
        #expect(lab.refusal() == .newerSchema(path: lab.path))
        #expect(lab.refusal(.readOnly) == .newerSchema(path: lab.path))
    }

    @Test func `an archive without a table of ours is not read before there is one`() async throws {
        try await lab.leave()
        try lab.change("DROP TABLE policy; DROP TABLE override; DROP TABLE observe; DELETE FROM grdb_migrations")
        guard case .unreadable(let reason) = lab.refusal(.readOnly) else {
            Issue.record("it was read")
            return
        }
        #expect(reason.contains("older sts-bridge"))
        try await lab.leave(try ArchiveContract.sample("new.example"))
    }
}

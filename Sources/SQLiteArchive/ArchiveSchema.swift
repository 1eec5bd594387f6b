import GRDB

/// What an archive looks like inside, and whose a file is.
///
/// A migration, once released, is never changed: what comes later is another one after it.
enum ArchiveSchema {
    /// Stands in the file's header and tells our files from others' (`file` shows it as a number). "STSB".
    static let mark: Int32 = 0x53_54_53_42

    static let migrator: DatabaseMigrator = {
        // No foreign keys, nothing to check after each migration.
        var migrator = DatabaseMigrator().disablingDeferredForeignKeyChecks()
        migrator.registerMigration(first) { try $0.execute(sql: policies) }
        migrator.registerMigration("2 orders") { try $0.execute(sql: orders) }
        migrator.registerMigration(clock) { try $0.execute(sql: clockColumns) }
        return migrator
    }()

    /// From it on there is something to read: what came later is there or not.
    private static let first = "1 policies"

    /// From it on a policy's row has what the clock did since its fetch, and whether the log has its end.
    private static let clock = "3 clock"

    private static let clockColumns = """
        ALTER TABLE policy ADD COLUMN clock_behind_since INTEGER;
        ALTER TABLE policy ADD COLUMN previous_fetched_at INTEGER;
        ALTER TABLE policy ADD COLUMN end_logged INTEGER NOT NULL DEFAULT 0;
        """

    /// Whether a file that is only read has these columns: one that an older version wrote has not.
    static func hasClock(_ database: Database) throws -> Bool {
        try migrator.appliedIdentifiers(database).contains(clock)
    }

    /// With rowids: at 100,000 policies of 120 to 250 octets 317 octets a row (328 after three rounds of refreshes), without
    /// them 325 (326); but new rows come twice as fast, and a policy of 64 KiB fills fewer pages.
    /// The small columns come first, so that what looks only at them never follows a long text.
    private static let policies = """
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
        ) STRICT
        """

    /// What the operator has ordered. `names`: those of a pin, separated by spaces. `observe` has one row at most.
    private static let orders = """
        CREATE TABLE override (
            domain TEXT NOT NULL PRIMARY KEY,
            kind TEXT NOT NULL,
            names TEXT,
            reason TEXT NOT NULL,
            author TEXT NOT NULL,
            since INTEGER NOT NULL,
            until INTEGER
        ) STRICT;
        CREATE TABLE observe (
            number INTEGER NOT NULL PRIMARY KEY CHECK (number = 1),
            is_on INTEGER NOT NULL,
            author TEXT NOT NULL,
            since INTEGER NOT NULL
        ) STRICT;
        """

    /// Whose a file is.
    enum Owner {
        /// Nobody's: there is nothing in it.
        case nobody
        /// `hasPolicies`: it can be read, though an older version may have written it.
        case us(hasPolicies: Bool)
        case newerVersion
        case stranger
    }

    static func owner(_ database: Database) throws -> Owner {
        guard try readMark(database) == mark else {
            let things = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
            return try things == 0 && readMark(database) == 0 ? .nobody : .stranger
        }
        guard try !migrator.hasBeenSuperseded(database) else { return .newerVersion }
        return .us(hasPolicies: try migrator.appliedIdentifiers(database).contains(first))
    }

    private static func readMark(_ database: Database) throws -> Int32 {
        try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
    }

    /// Makes the file ours, and also the smallest change that has to go through SQLite's log: it is written whether or
    /// not it stands there already.
    static func writeMark(_ database: Database) throws {
        try database.execute(sql: "PRAGMA application_id = \(mark)")
    }
}

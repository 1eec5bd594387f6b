import GRDB

/// The tables of a store, and the owner of a file.
///
/// A released migration is never changed: a later change of the tables is another migration.
enum StoreSchema {
    /// In the file's header. It distinguishes our files from others (`file` shows it as a number). "STSB".
    static let applicationID: Int32 = 0x53_54_53_42

    static let migrator: DatabaseMigrator = {
        // No foreign keys, nothing to check after each migration.
        var migrator = DatabaseMigrator().disablingDeferredForeignKeyChecks()
        migrator.registerMigration(first) { try $0.execute(sql: policies) }
        migrator.registerMigration("2 orders") { try $0.execute(sql: orders) }
        migrator.registerMigration(clock) { try $0.execute(sql: clockColumns) }
        return migrator
    }()

    /// A file with this migration can be read.
    private static let first = "1 policies"

    /// A file with this migration notes in a policy's row what the clock did since its fetch, and whether its end was logged.
    private static let clock = "3 clock"

    private static let clockColumns = """
        ALTER TABLE policy ADD COLUMN clock_behind_since INTEGER;
        ALTER TABLE policy ADD COLUMN previous_fetched_at INTEGER;
        ALTER TABLE policy ADD COLUMN end_logged INTEGER NOT NULL DEFAULT 0;
        """

    /// Whether the file has these columns. A file of an older version that is only read has not.
    static func hasClock(_ database: Database) throws -> Bool {
        try migrator.appliedIdentifiers(database).contains(clock)
    }

    /// With rowids: at 100,000 policies of 120 to 250 octets 317 octets a row (328 after three rounds of refreshes), without
    /// them 325 (326); but new rows come twice as fast, and a policy of 64 KiB fills fewer pages.
    /// The small columns come first, so that a statement that reads only them never follows a long text.
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

    /// The operator's overrides. `names`: the names of a pin, separated by spaces. `observe` has one row at most.
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

    /// Policies that a process removed, so that other processes forget them too and do not write them again. `author`: a
    /// random number of that process. Not a migration: builds that do not know the table can use the file.
    static let removals = """
        CREATE TABLE IF NOT EXISTS removal (
            domain TEXT NOT NULL PRIMARY KEY,
            fetched_at INTEGER NOT NULL,
            removed_at INTEGER NOT NULL,
            author INTEGER NOT NULL
        ) STRICT
        """

    /// When overrides were removed, so that a process that could not write meanwhile does not write them again. Not a
    /// migration, as `removals`.
    static let overrideRemovals = """
        CREATE TABLE IF NOT EXISTS override_removal (
            domain TEXT NOT NULL PRIMARY KEY,
            removed_at INTEGER NOT NULL
        ) STRICT
        """

    /// The program that wrote a file.
    enum Owner {
        /// The file is empty.
        case none
        /// `hasPolicies`: it can be read, though an older version may have written it.
        case us(hasPolicies: Bool)
        case newerVersion
        case foreign
    }

    static func owner(_ database: Database) throws -> Owner {
        guard try readApplicationID(database) == applicationID else {
            let objects = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
            return try objects == 0 && readApplicationID(database) == 0 ? .none : .foreign
        }
        guard try !migrator.hasBeenSuperseded(database) else { return .newerVersion }
        return .us(hasPolicies: try migrator.appliedIdentifiers(database).contains(first))
    }

    /// Whether `WritingConnection` has nothing to set up in a file of ours: it has all tables, and SQLite's log is in use.
    static func isSetUp(_ database: Database) throws -> Bool {
        try migrator.hasCompletedMigrations(database)
            && String.fetchOne(database, sql: "PRAGMA journal_mode") == "wal"
    }

    private static func readApplicationID(_ database: Database) throws -> Int32 {
        try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
    }

    /// Makes the file ours. It is also the smallest change that goes through SQLite's log: it is written even if the file
    /// has the id already.
    static func writeApplicationID(_ database: Database) throws {
        try database.execute(sql: "PRAGMA application_id = \(applicationID)")
    }
}

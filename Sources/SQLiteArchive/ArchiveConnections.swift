import GRDB
import MTASTS
import PolicyService

/// An archive that is open for writing: the lock, one connection that writes, one for loading, one for single rows.
///
/// All connections are opened together and stay open: they work on one file, whatever happens to its name. Whether the
/// name still leads to that file is asked before and after each change, since SQLite goes on writing into a removed one.
/// Concurrency: any thread but one of Swift's pool; the two readers do not wait for each other nor for the writer.
/// Fails by: `ArchiveFailure`, as long as its cause lasts; `isSound` tells whether it can end by itself.
final class ArchiveConnections: Sendable {
    private let files: ArchiveFiles
    private let lock: WriterLock
    private let identities: ArchiveFiles.Identities
    private let condition = FileCondition()
    private let writer: WritingConnection
    /// For everything.
    let loader: ReadingConnection
    /// For single rows, which are not to wait for everything.
    let finder: ReadingConnection

    /// Opens a file that is empty or ours.
    ///
    /// - Parameter file: the one that was looked at.
    init(_ files: ArchiveFiles, file: FileIdentity, _ lock: WriterLock) throws(ArchiveFailure) {
        self.files = files
        self.lock = lock
        writer = try WritingConnection(files, condition: condition)
        loader = try ReadingConnection(files, condition: condition)
        finder = try ReadingConnection(files, condition: condition)
        identities = files.identities()
        guard identities.isComplete, identities.database == file else {
            close()
            throw ArchiveTrouble(files.name).moved()
        }
    }

    /// Whether it works, or will once the cause of a failure is gone; if not, it has to be opened anew.
    var isSound: Bool { isInPlace && lock.isInPlace && !condition.isDamaged }

    private var isInPlace: Bool { files.identities() == identities }

    /// Writes as little as can be written. After a change that did not fit on the disk this one may fit into what that
    /// one had taken already, so there must be some room too.
    func probe() throws(ArchiveFailure) {
        if condition.isFull, let space = files.freeSpace, space < Self.room { throw ArchiveTrouble(files.name).full() }
        try write { try ArchiveSchema.writeMark($0) }
    }

    /// Octets; some thousand policies and what SQLite needs around them.
    private static let room: UInt64 = 1 << 20

    func commit(_ changes: [ArchiveChange]) throws(ArchiveFailure) {
        guard !changes.isEmpty else {
            guard isInPlace, lock.isInPlace else { throw ArchiveTrouble(files.name).moved() }
            return
        }
        try write { database in
            for change in changes {
                let (sql, arguments) = Self.statement(change)
                try database.cachedStatement(sql: sql).execute(arguments: arguments)
            }
        }
    }

    private static func statement(_ change: ArchiveChange) -> (sql: String, arguments: StatementArguments) {
        switch change {
        case .keep(let policy): (PolicyRow.keep, PolicyRow.arguments(policy))
        case .remove(let domain): (PolicyRow.remove, [domain.name.text])
        case .noteEnd(let domain, let fetchedAt): (PolicyRow.noteEnd, [domain.name.text, fetchedAt.milliseconds])
        case .order(let override): (OrderRow.keep, OrderRow.arguments(override))
        case .lift(let domain): (OrderRow.remove, [domain.name.text])
        case .observe(let order): (OrderRow.keepObserve, OrderRow.arguments(order))
        }
    }

    func purge(at now: WallTime, grace: Duration) throws(ArchiveFailure) -> [ArchivedPolicy] {
        try write { database in
            let now = now.milliseconds
            // A mark in the future is from a clock that was ahead.
            try database.execute(
                sql: "UPDATE policy SET lapsed_at = :now "
                    + "WHERE (lapsed_at IS NULL OR lapsed_at > :now) AND \(PolicyRow.isOver)",
                arguments: ["now": now])
            try database.execute(
                sql: "UPDATE policy SET lapsed_at = NULL WHERE lapsed_at IS NOT NULL AND NOT \(PolicyRow.isOver)",
                arguments: ["now": now])
            // A life that goes on ends another time.
            try database.execute(
                sql: "UPDATE policy SET end_logged = 0 WHERE end_logged = 1 AND NOT \(PolicyRow.isOver)",
                arguments: ["now": now])
            // Before they go.
            let expired = try Row.fetchAll(
                database, sql: PolicyRow.expired, arguments: ["now": now, "limit": SQLiteArchive.maximumExpired]
            ).compactMap { row -> ArchivedPolicy? in
                if case .policy(let policy) = PolicyRow.read(row) { policy } else { nil }
            }
            try database.execute(
                sql: "DELETE FROM policy WHERE lapsed_at <= ?", arguments: [now - grace.milliseconds])
            return expired
        }
    }

    /// Waits for what is under way. Further calls fail.
    func close() {
        loader.close()
        finder.close()
        writer.close()
        files.removeLog(of: identities)
    }

    /// What is written into a file without a name is lost, whatever SQLite says.
    func write<Value>(_ body: (Database) throws -> Value) throws(ArchiveFailure) -> Value {
        let trouble = ArchiveTrouble(files.name)
        guard isInPlace else { throw trouble.moved() }
        // Also when it was a reader that met the damage: to write on would make it worse.
        guard !condition.isDamaged else { throw trouble.damaged("it is damaged") }
        let value = try writer.write(body)
        guard isInPlace else { throw trouble.moved() }
        condition.changeSucceeded()
        return value
    }
}

import GRDB
import PolicyCaching

/// The connection that writes.
///
/// Concurrency: any thread but one of Swift's pool; calls run one after another, and block.
/// Errors: `StoreError`. Nothing of a failed call remains, and the connection can be used again.
final class WritingConnection: Sendable {
    /// How long SQLite waits for another program that writes, in seconds. A commit of another daemon takes milliseconds, a
    /// backup or an operator's query little more.
    static let busyTimeout = 2.0
    /// What SQLite's log may keep of the disk after a large load: 64 MiB, about 200,000 policies.
    private static let logLimit = 64 << 20

    private let queue: DatabaseQueue
    private let message: StoreErrorMessage
    private let health: FileHealth

    /// Opens a file that is empty or ours. WAL, so that readers never wait, with synchronous=NORMAL (set by GRDB): a
    /// commit outlives the process, and the file outlives a power cut.
    init(_ files: StoreFiles, health: FileHealth) throws(StoreError) {
        message = StoreErrorMessage(files.name)
        self.health = health
        do {
            queue = try Self.connection(files.database)
        } catch {
            throw health.record(error, message: message)
        }
    }

    /// Makes the file ours, with the tables of this version.
    func setUp() throws(StoreError) {
        do {
            // First of all, so that a file with a table of ours has our application id. Also shows that writing works.
            try queue.write { try StoreSchema.writeApplicationID($0) }
            try StoreSchema.migrator.migrate(queue)
            try queue.write { database in
                try database.execute(sql: StoreSchema.removals)
                try database.execute(sql: StoreSchema.overrideRemovals)
            }
        } catch {
            throw health.record(error, message: message)
        }
    }

    private static func connection(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "sts-bridge.store.writer"
        configuration.foreignKeysEnabled = false
        configuration.journalMode = .wal
        configuration.busyMode = .timeout(busyTimeout)
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA cell_size_check = ON")
            try database.execute(sql: "PRAGMA journal_size_limit = \(logLimit)")
        }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    func write<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
        do {
            return try queue.write(body)
        } catch {
            throw health.record(error, message: message)
        }
    }

    /// A number that changes with each commit of another connection, and not with those of this one.
    func changeNumber() throws(StoreError) -> Int {
        do {
            return try queue.inDatabase { try Int.fetchOne($0, sql: "PRAGMA data_version") ?? 0 }
        } catch {
            throw health.record(error, message: message)
        }
    }

    /// Puts everything into the database itself, even into one that was moved. The last process that closes it removes
    /// SQLite's files beside it, unless it was moved.
    func close() {
        _ = try? queue.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        try? queue.close()
    }
}

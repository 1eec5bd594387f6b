import GRDB
import PolicyService

/// The connection that writes.
///
/// Concurrency: any thread but one of Swift's pool; calls come one after another, and block.
/// Fails by: `ArchiveFailure`; nothing of a failed call remains, and the connection can be used again.
final class WritingConnection: Sendable {
    /// In seconds. Nobody else should have it open for writing; a backup or an operator's query is over soon.
    static let patience = 1.0
    /// What SQLite's log may keep of the disk after a large load: 64 MiB, about 200,000 policies.
    private static let logLimit = 64 << 20

    private let queue: DatabaseQueue
    private let trouble: ArchiveTrouble
    private let condition: FileCondition

    /// Sets up a file that is empty or ours. WAL, so that readers never wait, with synchronous=NORMAL (set by GRDB): a
    /// commit outlives the process, and the file outlives a power cut.
    init(_ files: ArchiveFiles, condition: FileCondition) throws(ArchiveFailure) {
        trouble = ArchiveTrouble(files.name)
        self.condition = condition
        do {
            queue = try Self.connection(files.database)
            // First of all, so that a file in which a table of ours is bears our mark. Shows also that writing works.
            try queue.write { try ArchiveSchema.writeMark($0) }
            try ArchiveSchema.migrator.migrate(queue)
        } catch {
            throw condition.noted(error, trouble)
        }
    }

    private static func connection(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "sts-bridge.archive.writer"
        configuration.foreignKeysEnabled = false
        configuration.journalMode = .wal
        configuration.busyMode = .timeout(patience)
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA cell_size_check = ON")
            try database.execute(sql: "PRAGMA journal_size_limit = \(logLimit)")
        }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    func write<Value>(_ body: (Database) throws -> Value) throws(ArchiveFailure) -> Value {
        do {
            return try queue.write(body)
        } catch {
            throw condition.noted(error, trouble)
        }
    }

    /// Puts everything into the database itself, even into one that was moved. The last one to close removes SQLite's
    /// files beside it, unless it was.
    func close() {
        _ = try? queue.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        try? queue.close()
    }
}

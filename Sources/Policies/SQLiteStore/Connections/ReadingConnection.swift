import Foundation
import GRDB
import MTASTS
import PolicyCaching

/// A connection that only reads. It is opened at once: if it were opened when it is first needed, it could find another
/// file under the name, or make one.
///
/// Concurrency: any thread but one of Swift's pool; calls run one after another, and block.
/// Errors: `StoreError`.
final class ReadingConnection: Sendable {
    private let queue: DatabaseQueue
    private let message: StoreErrorMessage
    private let health: FileHealth
    /// Whether it takes the file for one that does not change.
    let isImmutable: Bool

    /// - Parameters:
    ///   - health: shared with the other connections to the file.
    ///   - busyTimeout: how long SQLite waits for a program that has locked the file, in seconds.
    init(
        _ files: StoreFiles, health: FileHealth = FileHealth(), busyTimeout: Double = WritingConnection.busyTimeout
    ) throws(StoreError) {
        message = StoreErrorMessage(files.name)
        self.health = health
        var first: any Error
        do {
            queue = try Self.connection(files.database, busyTimeout: busyTimeout)
            isImmutable = false
            return
        } catch {
            first = error
        }
        // SQLite makes files beside a database even to read it. If it cannot, the database is read as one that does not
        // change. That is true if the log is empty, because a writer would have put something there.
        guard let error = first as? DatabaseError, [.SQLITE_CANTOPEN, .SQLITE_READONLY].contains(error.resultCode),
            !files.hasLog, let address = Self.immutableAddress(files.database)
        else { throw message.failure(first) }
        do {
            queue = try Self.connection(address, busyTimeout: busyTimeout)
            isImmutable = true
        } catch {
            throw message.failure(first)
        }
    }

    private static func connection(_ path: String, busyTimeout: Double) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "sts-bridge.store.reader"
        configuration.readonly = true
        configuration.foreignKeysEnabled = false
        configuration.busyMode = .timeout(busyTimeout)
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA cell_size_check = ON") }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    private static func immutableAddress(_ path: String) -> String? {
        let allowed = CharacterSet(charactersIn: "/-_.~").union(.alphanumerics)
        return path.addingPercentEncoding(withAllowedCharacters: allowed).map { "file:\($0)?immutable=1" }
    }

    func owner() throws(StoreError) -> StoreSchema.Owner {
        try reading { try StoreSchema.owner($0) }
    }

    func isSetUp() throws(StoreError) -> Bool {
        try reading { try StoreSchema.isSetUp($0) }
    }

    /// Throws if the file is damaged. 100,000 policies are checked in some 50 ms.
    func check() throws(StoreError) {
        let result = try reading { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
        guard let result, result != "ok" else { return }
        throw message.damaged(result)
    }

    /// Passes rows up to a damaged place to `take` before it throws.
    func load(_ take: @Sendable ([StoredRow]) -> Void) throws(StoreError) {
        // The next load comes much later or never.
        defer { queue.releaseMemory() }
        try reading { database in
            var rows: [StoredRow] = []
            var length = 0
            defer { if !rows.isEmpty { take(rows) } }
            let all = PolicyRow.all(hasClock: try StoreSchema.hasClock(database))
            let cursor = try Row.fetchCursor(database, sql: all)
            while let row = try cursor.next() {
                rows.append(PolicyRow.read(row))
                length += rows.last?.length ?? 0
                guard rows.count == Self.maximumBatchRows || length >= Self.maximumBatchBytes else { continue }
                take(rows)
                rows.removeAll(keepingCapacity: true)
                length = 0
            }
        }
    }

    func row(of domain: PolicyDomain) throws(StoreError) -> StoredRow? {
        try reading { database in
            let one = PolicyRow.one(hasClock: try StoreSchema.hasClock(database))
            let statement = try database.cachedStatement(sql: one)
            return try Row.fetchOne(statement, arguments: [domain.name.text]).map(PolicyRow.read)
        }
    }

    /// A file of an older version that cannot be written, and so not migrated, may have none.
    func overrides() throws(StoreError) -> [StoredOverride] {
        try reading { database in
            guard try database.tableExists("override"), try database.tableExists("observe") else { return [] }
            let overrides = try Row.fetchAll(database, sql: OverrideRow.all).map(OverrideRow.read)
            return try overrides + Row.fetchAll(database, sql: OverrideRow.observe).map(OverrideRow.readObserve)
        }
    }

    /// A number that changes with each commit of another connection.
    func changeNumber() throws(StoreError) -> Int {
        try reading { try Int.fetchOne($0, sql: "PRAGMA data_version") ?? 0 }
    }

    func close() {
        try? queue.close()
    }

    /// Policies that other processes removed from the store.
    ///
    /// - Parameter author: the number of this process in `removal`.
    func removals(notBy author: Int64) throws(StoreError) -> [PolicyRemoval] {
        try reading { database in
            try Row.fetchAll(database, sql: PolicyRow.removalsOfOthers, arguments: [author])
                .compactMap(PolicyRow.readRemoval)
        }
    }

    /// The rows of one call of `take`: many, so that a lock there is cheap; few, so that it is short.
    private static let maximumBatchRows = 500
    /// Octets of text of one call of `take`: 500 of the longest policies would be 32 MiB.
    private static let maximumBatchBytes = 1_048_576

    private func reading<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
        do {
            return try queue.read(body)
        } catch {
            throw health.record(error, message: message)
        }
    }
}

extension StoredRow {
    fileprivate var length: Int {
        guard case .policy(let policy) = self else { return 0 }
        return policy.text.count
    }
}

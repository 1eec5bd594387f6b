import Foundation
import GRDB
import MTASTS
import PolicyService

/// A connection that only reads, and that is opened at once: one that is opened when it is first needed may find another
/// file under the name, or make one.
///
/// Concurrency: any thread but one of Swift's pool; calls come one after another, and block.
/// Fails by: `ArchiveFailure`.
final class ReadingConnection: Sendable {
    private let queue: DatabaseQueue
    private let trouble: ArchiveTrouble
    private let condition: FileCondition

    /// - Parameters:
    ///   - condition: shared with the other connections to the file.
    ///   - patience: in seconds, with another program that has the file to itself.
    init(
        _ files: ArchiveFiles, condition: FileCondition = FileCondition(), patience: Double = WritingConnection.patience
    ) throws(ArchiveFailure) {
        trouble = ArchiveTrouble(files.name)
        self.condition = condition
        var first: any Error
        do {
            queue = try Self.connection(files.database, patience)
            return
        } catch {
            first = error
        }
        // SQLite wants to make files beside a database even to read it. Where it cannot, the database is read as one that
        // nobody changes; which is true where nothing is in the log, since a writer would have put something there.
        guard let error = first as? DatabaseError, [.SQLITE_CANTOPEN, .SQLITE_READONLY].contains(error.resultCode),
            !files.hasLog, let address = Self.immutableAddress(files.database)
        else { throw trouble.failure(first) }
        do {
            queue = try Self.connection(address, patience)
        } catch {
            throw trouble.failure(first)
        }
    }

    private static func connection(_ path: String, _ patience: Double) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "sts-bridge.archive.reader"
        configuration.readonly = true
        configuration.foreignKeysEnabled = false
        configuration.busyMode = .timeout(patience)
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA cell_size_check = ON") }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    private static func immutableAddress(_ path: String) -> String? {
        let allowed = CharacterSet(charactersIn: "/-_.~").union(.alphanumerics)
        return path.addingPercentEncoding(withAllowedCharacters: allowed).map { "file:\($0)?immutable=1" }
    }

    func owner() throws(ArchiveFailure) -> ArchiveSchema.Owner {
        try reading { try ArchiveSchema.owner($0) }
    }

    /// Fails where the file is damaged. 100,000 policies are checked in some 30 ms.
    func check() throws(ArchiveFailure) {
        let finding = try reading { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
        guard let finding, finding != "ok" else { return }
        throw trouble.damaged(finding)
    }

    /// Rows up to a damaged place are handed over before the failure.
    func load(_ take: @Sendable ([ArchivedRow]) -> Void) throws(ArchiveFailure) {
        try reading { database in
            var rows: [ArchivedRow] = []
            var length = 0
            defer { if !rows.isEmpty { take(rows) } }
            let all = PolicyRow.all(hasClock: try ArchiveSchema.hasClock(database))
            let cursor = try Row.fetchCursor(database, sql: all)
            while let row = try cursor.next() {
                rows.append(PolicyRow.read(row))
                length += rows.last?.length ?? 0
                guard rows.count == Self.handful || length >= Self.armful else { continue }
                take(rows)
                rows.removeAll(keepingCapacity: true)
                length = 0
            }
        }
    }

    func row(of domain: PolicyDomain) throws(ArchiveFailure) -> ArchivedRow? {
        try reading { database in
            let one = PolicyRow.one(hasClock: try ArchiveSchema.hasClock(database))
            let statement = try database.cachedStatement(sql: one)
            return try Row.fetchOne(statement, arguments: [domain.name.text]).map(PolicyRow.read)
        }
    }

    /// A file that an older version wrote, and that cannot be brought up to date, has none.
    func orders() throws(ArchiveFailure) -> [ArchivedOrder] {
        try reading { database in
            guard try database.tableExists("override"), try database.tableExists("observe") else { return [] }
            let overrides = try Row.fetchAll(database, sql: OrderRow.all).map(OrderRow.read)
            return try overrides + Row.fetchAll(database, sql: OrderRow.observe).map(OrderRow.readObserve)
        }
    }

    func close() {
        try? queue.close()
    }

    /// How many rows are handed over together: enough for a lock to be cheap, few enough to be let go of soon.
    private static let handful = 500
    /// Or sooner, in octets of text: 500 of the longest policies would be 32 MiB.
    private static let armful = 1_048_576

    private func reading<Value>(_ body: (Database) throws -> Value) throws(ArchiveFailure) -> Value {
        do {
            return try queue.read(body)
        } catch {
            throw condition.noted(error, trouble)
        }
    }
}

extension ArchivedRow {
    fileprivate var length: Int {
        guard case .policy(let policy) = self else { return 0 }
        return policy.text.count
    }
}

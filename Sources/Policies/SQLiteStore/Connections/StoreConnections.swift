import GRDB
import MTASTS
import PolicyCaching
import PolicyRuntime
import TextFormats

/// A store that is open for writing: one connection that writes and two that read.
///
/// All connections are opened together and stay open, so they work on one file, whatever happens to its name. SQLite goes on
/// writing into a removed file. So each change checks before and after it that the name still leads to the file.
/// Concurrency: any thread but one of Swift's pool. Other processes may write the same file.
/// Errors: `StoreError`, as long as its cause lasts; `isSound` shows whether it can end without opening the file again.
final class StoreConnections: Sendable {
    private let files: StoreFiles
    private let identities: StoreFiles.Identities
    let readers: StoreReaders
    private let writer: WritingConnection
    /// The number of this process in the table `removal`.
    private let author: Int64
    private let voidsRemovals: Bool
    /// The change number when the connections were opened.
    private let firstChangeNumber: Int
    /// Whether something was committed after `readers` were opened and before the change number was read.
    private let hasEarlierChange: Bool

    /// Opens a file that is empty or ours.
    ///
    /// - Parameters:
    ///   - file: the file that was checked.
    ///   - author: a random number of this process.
    ///   - voidsRemovals: a policy that is written voids its removal by another process.
    ///   - readers: used from now on if they read this file.
    ///   - isShared: whether another process may write at this moment.
    init(
        _ files: StoreFiles, file: FileIdentity, author: Int64, voidsRemovals: Bool, readers: StoreReaders? = nil,
        isShared: Bool = false
    ) throws(StoreError) {
        self.files = files
        self.author = author
        self.voidsRemovals = voidsRemovals
        if let readers, readers.file == file {
            self.readers = readers
            // Opening the writer changes the file, so that a commit of another process at this moment cannot be seen.
            hasEarlierChange = try readers.haveChange() || isShared
            writer = try WritingConnection(files, health: readers.health)
            firstChangeNumber = try writer.changeNumber()
            try writer.setUp()
        } else {
            let health = FileHealth()
            writer = try WritingConnection(files, health: health)
            try writer.setUp()
            self.readers = try StoreReaders(files, file: file, health: health)
            firstChangeNumber = try writer.changeNumber()
            hasEarlierChange = false
        }
        identities = files.identities()
        guard identities.isComplete, identities.database == file else {
            close()
            throw StoreErrorMessage(files.name).moved()
        }
    }

    /// Whether it works, or will work once the cause of an error is removed. If not, the file has to be opened again.
    var isSound: Bool { isInPlace && !readers.health.isDamaged }

    private var isInPlace: Bool { files.identities() == identities }

    /// Writes as little as possible. After a change that did not fit on the disk, this small one may fit, so there must be
    /// some free space too.
    func probe() throws(StoreError) {
        if readers.health.isFull, let space = files.freeSpace, space < Self.minimumSpace {
            throw StoreErrorMessage(files.name).full()
        }
        try write { try StoreSchema.writeApplicationID($0) }
    }

    /// In octets: some thousand policies and what SQLite needs around them.
    private static let minimumSpace: UInt64 = 1 << 20

    func commit(_ changes: [StoreChange]) throws(StoreError) {
        guard !changes.isEmpty else {
            guard isInPlace else { throw StoreErrorMessage(files.name).moved() }
            return
        }
        try write { database in
            for change in changes {
                for (sql, arguments) in self.statements(for: change) {
                    try database.cachedStatement(sql: sql).execute(arguments: arguments)
                }
            }
        }
    }

    private func statements(for change: StoreChange) -> [(sql: String, arguments: StatementArguments)] {
        switch change {
        case .savePolicy(let policy) where voidsRemovals:
            [
                (PolicyRow.voidRemoval, [policy.domain.name.text]),
                (PolicyRow.keep, PolicyRow.arguments(policy) + [author]),
            ]
        case .savePolicy(let policy): [(PolicyRow.keep, PolicyRow.arguments(policy) + [author])]
        case .removePolicy(let domain):
            [(PolicyRow.noteRemoval, [author, domain.name.text]), (PolicyRow.remove, [domain.name.text])]
        case .evictPolicy(let domain, let fetchedAt): [(PolicyRow.evict, [domain.name.text, fetchedAt.milliseconds])]
        case .noteExpiry(let domain, let fetchedAt): [(PolicyRow.noteEnd, [domain.name.text, fetchedAt.milliseconds])]
        case .setOverride(let override): [(OverrideRow.keep, OverrideRow.arguments(override))]
        case .removeOverride(let domain, let time):
            [OverrideRow.noteRemoval, OverrideRow.remove].map { ($0, [domain.name.text, time.milliseconds]) }
        case .dropOverride(let override):
            [
                (
                    OverrideRow.drop,
                    [override.domain.name.text, override.since.milliseconds, override.until?.milliseconds]
                )
            ]
        case .observe(let change): [(OverrideRow.keepObserve, OverrideRow.arguments(change))]
        }
    }

    func purge(at now: WallTime, grace: Duration) throws(StoreError) -> [StoredPolicy] {
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
            // Before they are deleted.
            let expired = try Row.fetchAll(
                database, sql: PolicyRow.expired, arguments: ["now": now, "limit": SQLitePolicyStore.maximumExpired]
            ).compactMap { row -> StoredPolicy? in
                if case .policy(let policy) = PolicyRow.read(row) { policy } else { nil }
            }
            try database.execute(
                sql: "DELETE FROM policy WHERE lapsed_at <= ?", arguments: [now - grace.milliseconds])
            try database.execute(sql: PolicyRow.dropRemovals, arguments: ["now": now])
            try database.execute(sql: OverrideRow.dropRemovals, arguments: ["now": now])
            return expired
        }
    }

    // MARK: Other processes

    /// A number that changes with each commit of another process.
    func changeNumber() throws(StoreError) -> Int { try writer.changeNumber() }

    /// Whether another process has committed something since the store was opened, for reading or for writing.
    ///
    /// - Parameter number: the present change number.
    func haveChange(at number: Int) -> Bool { hasEarlierChange || number != firstChangeNumber }

    /// The policies that other processes removed in the last day.
    func removalsOfOthers() throws(StoreError) -> [PolicyRemoval] { try readers.finder.removals(notBy: author) }

    /// Waits for calls that are under way. Later calls fail.
    func close() {
        readers.close()
        writer.close()
        files.removeLog(of: identities)
    }

    /// What is written into a file without a name is lost, whatever SQLite returns.
    func write<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
        let message = StoreErrorMessage(files.name)
        guard isInPlace else { throw message.moved() }
        // Also if a reader found the damage: writing would make it worse.
        guard !readers.health.isDamaged else { throw message.damaged("it is damaged") }
        let value = try writer.write(body)
        guard isInPlace else { throw message.moved() }
        readers.health.changeSucceeded()
        return value
    }
}

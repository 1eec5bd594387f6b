import PolicyCaching
import PolicyRuntime

/// Opens the file of a store. It checks the file before it changes anything.
struct StoreOpener: Sendable {
    /// Why the file was not opened.
    enum OpeningError: Error {
        case permanent(StoreOpenError)
        case temporary(StoreError)

        /// For a caller that tries again in both cases.
        var storeError: StoreError {
            switch self {
            case .permanent(let error): StoreError("\(error)")
            case .temporary(let error): error
            }
        }
    }

    let files: StoreFiles
    /// A random number of this process.
    let author: Int64
    /// A policy that is written voids its removal by another process.
    var voidsRemovals = false

    private var message: StoreErrorMessage { StoreErrorMessage(files.name) }

    /// Checks the whole file.
    ///
    /// - Parameters:
    ///   - lock: the lock of this process, or `nil` before the first call. It stays set if opening fails later.
    ///   - readers: connections of `openUnchecked`, to be used from now on.
    func openForWriting(
        _ lock: inout StoreLock?, readers: StoreReaders? = nil
    ) throws(OpeningError) -> StoreConnections {
        try attempt { () throws(StoreError) in try files.makeDirectory() }
        let current = try currentLock(lock)
        lock = current
        files.removeObsoleteLock()
        let isShared = !current.otherProcesses.isEmpty
        return try current.exclusively { () throws(OpeningError) in try openAlone(readers, isShared: isShared) }
    }

    /// Opens a large file of ours for reading, and checks only whose it is. `nil`: the file is small, of an
    /// older version, or something is wrong with it; open it for writing, which checks it.
    ///
    /// - Parameters:
    ///   - size: in octets, of a large file.
    ///   - lock: as for `openForWriting`.
    func openUnchecked(from size: Int, lock: inout StoreLock?) -> StoreReaders? {
        do {
            guard let actual = try self.size(), actual >= size, let file = FileIdentity(of: files.path) else {
                return nil
            }
            lock = try currentLock(lock)
            let readers = try StoreReaders(files, file: file)
            // An immutable reader would not see what is written later.
            let isWritable = !readers.loader.isImmutable && !readers.finder.isImmutable
            if isWritable, case .us(hasPolicies: true) = try readers.finder.owner(), try readers.finder.isSetUp() {
                return readers
            }
            readers.close()
            return nil
        } catch {
            return nil
        }
    }

    /// Whether the name still leads to the file of `openUnchecked`.
    func isInPlace(_ readers: StoreReaders) -> Bool { FileIdentity(of: files.path) == readers.file }

    /// Closes connections of `openUnchecked`.
    func close(_ readers: StoreReaders) {
        readers.close()
        files.removeLog(of: readers.identities)
    }

    private func openAlone(_ readers: StoreReaders?, isShared: Bool) throws(OpeningError) -> StoreConnections {
        let size = try size()
        if size == nil { try attempt { () throws(StoreError) in try files.create() } }
        guard let file = FileIdentity(of: files.path) else { throw .temporary(message.moved()) }
        if size ?? 0 > 0 {
            let reader = try reader()
            defer { reader.close() }
            switch try owner(of: reader) {
            case .none: break
            // Nothing is written into a damaged file: it would make the damage worse.
            case .us: try attempt { () throws(StoreError) in try reader.check() }
            case .newerVersion: throw .permanent(.newerSchema(path: files.name))
            case .foreign: throw .temporary(message.foreign())
            }
        }
        return try attempt { () throws(StoreError) in
            try StoreConnections(
                files, file: file, author: author, voidsRemovals: voidsRemovals, readers: readers, isShared: isShared)
        }
    }

    /// Creates no lock and changes nothing.
    ///
    /// - Parameter busyTimeout: how long SQLite waits for a program that has locked the file, in seconds.
    func openForReading(
        busyTimeout: Double = WritingConnection.busyTimeout
    ) throws(OpeningError) -> ReadingConnection {
        guard let size = try size() else { throw .permanent(.missing(path: files.name)) }
        guard size > 0 else { throw .temporary(message.unfinished()) }
        let reader = try reader(busyTimeout: busyTimeout)
        switch try owner(of: reader) {
        case .us(hasPolicies: true): return reader
        case .us(hasPolicies: false), .none: throw .temporary(message.unfinished())
        case .newerVersion: throw .permanent(.newerSchema(path: files.name))
        case .foreign: throw .temporary(message.foreign())
        }
    }

    /// Returns `lock`, or a new lock if the lock file was removed or replaced.
    func currentLock(_ lock: StoreLock?) throws(OpeningError) -> StoreLock {
        if let lock, lock.isInPlace { return lock }
        do throws(StoreLockError) {
            return try StoreLock(files.lock, database: files.database)
        } catch {
            throw .temporary(message.failure(system: error.code, at: "\(files.lock)"))
        }
    }

    private func size() throws(OpeningError) -> Int? {
        try attempt { () throws(StoreError) in try files.size() }
    }

    private func reader(busyTimeout: Double = WritingConnection.busyTimeout) throws(OpeningError) -> ReadingConnection {
        try attempt { () throws(StoreError) in try ReadingConnection(files, busyTimeout: busyTimeout) }
    }

    private func owner(of reader: ReadingConnection) throws(OpeningError) -> StoreSchema.Owner {
        try attempt { () throws(StoreError) in try reader.owner() }
    }

    private func attempt<Value>(_ body: () throws(StoreError) -> Value) throws(OpeningError) -> Value {
        do throws(StoreError) {
            return try body()
        } catch {
            throw .temporary(error)
        }
    }
}

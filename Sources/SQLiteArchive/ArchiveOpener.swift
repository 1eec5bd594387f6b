import PolicyService

/// The way from a name to an open archive: what is there is looked at before anything is changed.
struct ArchiveOpener: Sendable {
    /// Why it stays shut.
    enum Obstacle: Error {
        case refusal(ArchiveRefusal)
        case failure(ArchiveFailure)

        /// For one who tries again either way.
        var failure: ArchiveFailure {
            switch self {
            case .refusal(let refusal): ArchiveFailure("\(refusal)")
            case .failure(let failure): failure
            }
        }
    }

    let files: ArchiveFiles

    private var trouble: ArchiveTrouble { ArchiveTrouble(files.name) }

    /// - Parameter lock: the one that is held already, then the one that is held now. It is kept whatever happens later:
    /// who waits for a file to be mended does not want another process to begin one meanwhile.
    func openForWriting(_ lock: inout WriterLock?) throws(Obstacle) -> ArchiveConnections {
        do throws(ArchiveFailure) {
            try files.makeDirectory()
        } catch {
            throw .failure(error)
        }
        let held = try self.held(lock)
        lock = held
        let size = try found()
        if size == nil { try attempt { () throws(ArchiveFailure) in try files.create() } }
        guard let file = FileIdentity(of: files.path) else { throw .failure(trouble.moved()) }
        if size ?? 0 > 0 {
            let look = try reader()
            defer { look.close() }
            switch try owner(look) {
            case .nobody: break
            // Into a damaged file nothing is written: it would make it worse.
            case .us: try attempt { () throws(ArchiveFailure) in try look.check() }
            case .newerVersion: throw .refusal(.newerSchema(path: files.name))
            case .stranger: throw .failure(trouble.foreign())
            }
        }
        return try attempt { () throws(ArchiveFailure) in try ArchiveConnections(files, file: file, held) }
    }

    /// Makes no lock and changes nothing.
    ///
    /// - Parameter patience: in seconds, with another program that has the file to itself.
    func openForReading(patience: Double = WritingConnection.patience) throws(Obstacle) -> ReadingConnection {
        guard let size = try found() else { throw .refusal(.missing(path: files.name)) }
        guard size > 0 else { throw .failure(trouble.unfinished()) }
        let reader = try reader(patience)
        switch try owner(reader) {
        case .us(hasPolicies: true): return reader
        case .us(hasPolicies: false), .nobody: throw .failure(trouble.unfinished())
        case .newerVersion: throw .refusal(.newerSchema(path: files.name))
        case .stranger: throw .failure(trouble.foreign())
        }
    }

    /// The right to wait for the process that writes it. Of two that wait nobody could say which one Postfix is to ask.
    ///
    /// - Returns: `nil` where there can be no lock, and whoever waits is not kept from it.
    func waitingLock() throws(ArchiveRefusal) -> WriterLock? {
        switch WriterLock.attempt(files.heirLock, beside: files.database) {
        case .taken(let lock): return lock
        case .held(let holder): throw .awaited(path: files.name, pid: holder.pid)
        case .impossible: return nil
        }
    }

    private func held(_ lock: WriterLock?) throws(Obstacle) -> WriterLock {
        if let lock, lock.isInPlace { return lock }
        switch WriterLock.attempt(files.lock, beside: files.database) {
        case .taken(let lock): return lock
        case .held(let holder):
            throw .refusal(.inUse(path: files.name, pid: holder.pid, isLeaving: holder.isLeaving))
        case .impossible(let number): throw .failure(trouble.failure(system: number, at: "\(files.lock)"))
        }
    }

    private func found() throws(Obstacle) -> Int? {
        try attempt { () throws(ArchiveFailure) in try files.size() }
    }

    private func reader(_ patience: Double = WritingConnection.patience) throws(Obstacle) -> ReadingConnection {
        try attempt { () throws(ArchiveFailure) in try ReadingConnection(files, patience: patience) }
    }

    private func owner(_ reader: ReadingConnection) throws(Obstacle) -> ArchiveSchema.Owner {
        try attempt { () throws(ArchiveFailure) in try reader.owner() }
    }

    private func attempt<Value>(_ body: () throws(ArchiveFailure) -> Value) throws(Obstacle) -> Value {
        do throws(ArchiveFailure) {
            return try body()
        } catch {
            throw .failure(error)
        }
    }
}

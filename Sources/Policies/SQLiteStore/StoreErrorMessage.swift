import GRDB
import Glibc
import PolicyCaching

/// The texts of a store's errors: the file, the cause, what to do.
///
/// An error of SQLite appears with its message and its number, never with a statement or a value.
struct StoreErrorMessage {
    private let name: String

    init(_ name: String) {
        self.name = name
    }

    func failure(_ error: any Error) -> StoreError {
        guard let error = error as? DatabaseError else { return storeError("\(error)", advice: Self.startAgain) }
        // What GRDB returns for a connection that was closed between two steps.
        guard error.resultCode != .SQLITE_MISUSE else { return moved() }
        guard !error.isFullness else { return full() }
        let message = error.message ?? error.resultCode.description
        return storeError("\(message) (SQLite \(error.extendedResultCode.rawValue))", advice: Self.advice(error))
    }

    func failure(system number: Int32, at place: String? = nil) -> StoreError {
        let reason = String(cString: strerror(number))
        return storeError(place.map { "\($0): \(reason)" } ?? reason, advice: Self.advice(system: number))
    }

    private static func advice(_ error: DatabaseError) -> String {
        switch error.resultCode {
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_CANTOPEN, .SQLITE_AUTH: writable
        case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_PROTOCOL:
            "Another program has locked it; wait for that program, or end it (a backup, sqlite3)"
        case .SQLITE_NOMEM: "Give sts-bridge more memory"
        case .SQLITE_IOERR: "See the kernel's log, the state and the quota of its file system"
        // Damage, a file that is not a database, or a schema that another program changed.
        default: startAgain
        }
    }

    private static func advice(system number: Int32) -> String {
        switch number {
        case ENOENT, ENOTDIR: "Create the directory, or set cache.path to another file"
        case ENOSPC, EDQUOT: "Free space on its file system"
        default: writable
        }
    }

    private static let writable =
        "Let this user read and write it, the files beside it (-wal, -shm, .lock) and its directory, or set cache.path to "
        + "another file"
    private static let startAgain =
        "Repair it (sqlite3 .recover) or move it away; a new file is created within a minute"

    // MARK: Errors that SQLite does not find

    func notAFile() -> StoreError { storeError("it is not a file", advice: "Set cache.path to another file") }

    func foreign() -> StoreError {
        storeError(
            "it is not a cache file of sts-bridge and is not changed",
            advice: "Move it away, or set cache.path to another file")
    }

    func unfinished() -> StoreError {
        storeError("it has no policies yet, or an older sts-bridge wrote it", advice: "Start the daemon once")
    }

    func full() -> StoreError { storeError("its file system is full", advice: "Free space there, more than 1 MiB") }

    func timedOut(after limit: Duration) -> StoreError {
        storeError("its disk did not answer within \(limit.components.seconds) s", advice: "See the kernel's log")
    }

    func moved() -> StoreError {
        storeError("it was removed or replaced while it was open", advice: "It is opened again within a minute")
    }

    func damaged(_ reason: String) -> StoreError { storeError(reason, advice: Self.startAgain) }

    func readOnly() -> StoreError { storeError("it was opened for reading only", advice: "Open it for writing") }

    func closed() -> StoreError { storeError("it is closed", advice: "Start the daemon again") }

    private func storeError(_ reason: String, advice: String) -> StoreError {
        let line = reason.split(whereSeparator: \.isNewline).joined(separator: " ")
        return StoreError("Cache file \(name): \(line). \(advice).")
    }
}

extension DatabaseError {
    var isDamage: Bool { resultCode == .SQLITE_CORRUPT || resultCode == .SQLITE_NOTADB }
    /// The second code: no space for the memory that SQLite shares between connections.
    var isFullness: Bool { resultCode == .SQLITE_FULL || extendedResultCode == .SQLITE_IOERR_SHMSIZE }
}

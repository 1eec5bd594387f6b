import GRDB
import Glibc
import PolicyService

/// What goes wrong with an archive, in words: the file, the cause, what to do.
///
/// Of SQLite's errors only the message and the number appear, never a statement or a value.
struct ArchiveTrouble {
    private let name: String

    init(_ name: String) {
        self.name = name
    }

    func failure(_ error: any Error) -> ArchiveFailure {
        guard let error = error as? DatabaseError else { return because("\(error)", Self.startAgain) }
        // GRDB's word for a connection that was closed between two steps.
        guard error.resultCode != .SQLITE_MISUSE else { return moved() }
        guard !error.isFullness else { return full() }
        let message = error.message ?? error.resultCode.description
        return because("\(message) (SQLite \(error.extendedResultCode.rawValue))", Self.advice(error))
    }

    func failure(system number: Int32, at what: String? = nil) -> ArchiveFailure {
        let reason = String(cString: strerror(number))
        return because(what.map { "\($0): \(reason)" } ?? reason, Self.advice(system: number))
    }

    private static func advice(_ error: DatabaseError) -> String {
        switch error.resultCode {
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_CANTOPEN, .SQLITE_AUTH: writable
        case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_PROTOCOL:
            "Another program has it open: let that one end (a backup, sqlite3)"
        case .SQLITE_NOMEM: "Give sts-bridge more memory"
        case .SQLITE_IOERR: "See the kernel's log, the state and the quota of its file system"
        // Damage, no database, or one that somebody changed.
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
        "Let this user read and write it, what is beside it (-wal, -shm, .lock) and its directory, or set cache.path to "
        + "another file"
    private static let startAgain = "Mend it (sqlite3 .recover) or move it away; a new one is begun within a minute"

    // MARK: What SQLite does not know

    func noFile() -> ArchiveFailure { because("it is not a file", "Set cache.path to another file") }

    func foreign() -> ArchiveFailure {
        because("it is not a cache of sts-bridge and is not touched", "Move it away, or set cache.path to another file")
    }

    func unfinished() -> ArchiveFailure {
        because("nothing is kept in it yet, or an older sts-bridge wrote it", "Start the daemon once")
    }

    func full() -> ArchiveFailure { because("its file system is full", "Free space there, more than 1 MiB") }

    func silent(after limit: Duration) -> ArchiveFailure {
        because("its disk did not answer within \(limit.components.seconds) s", "See the kernel's log")
    }

    func moved() -> ArchiveFailure {
        because("it was removed or replaced while it was open", "It is opened again within a minute")
    }

    func damaged(_ finding: String) -> ArchiveFailure { because(finding, Self.startAgain) }

    func readingOnly() -> ArchiveFailure { because("it was opened for reading only", "Stop the daemon first") }

    func closed() -> ArchiveFailure { because("it is closed", "Start the daemon again") }

    private func because(_ reason: String, _ advice: String) -> ArchiveFailure {
        let line = reason.split(whereSeparator: \.isNewline).joined(separator: " ")
        return ArchiveFailure("Cache file \(name): \(line). \(advice).")
    }
}

extension DatabaseError {
    var isDamage: Bool { resultCode == .SQLITE_CORRUPT || resultCode == .SQLITE_NOTADB }
    /// The second one: there was no room for what SQLite shares between connections.
    var isFullness: Bool { resultCode == .SQLITE_FULL || extendedResultCode == .SQLITE_IOERR_SHMSIZE }
}

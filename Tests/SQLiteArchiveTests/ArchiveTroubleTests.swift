import GRDB
import Glibc
import PolicyService
import Testing

@testable import SQLiteArchive

@Suite struct ArchiveTroubleTests {
    private let trouble = ArchiveTrouble("/var/lib/sts-bridge/cache.db")

    @Test(arguments: [
        (
            ResultCode.SQLITE_READONLY,
            "Let this user read and write it, what is beside it (-wal, -shm, .lock) and its directory, or set cache.path to another file."
        ),
        (
            .SQLITE_CANTOPEN,
            "Let this user read and write it, what is beside it (-wal, -shm, .lock) and its directory, or set cache.path to another file."
        ),
        (.SQLITE_BUSY, "Another program has it open: let that one end (a backup, sqlite3)."),
        (.SQLITE_NOMEM, "Give sts-bridge more memory."),
        (.SQLITE_CORRUPT, "Mend it (sqlite3 .recover) or move it away; a new one is begun within a minute."),
        (.SQLITE_NOTADB, "Mend it (sqlite3 .recover) or move it away; a new one is begun within a minute."),
        (.SQLITE_IOERR_READ, "See the kernel's log, the state and the quota of its file system."),
    ])
    func `SQLite's words are told with what to do, and without statements`(_ code: ResultCode, _ advice: String) {
        let error = DatabaseError(
            resultCode: code, message: "of two\nlines", sql: "DELETE FROM secrets", arguments: ["secret"])
        #expect(
            trouble.failure(error).description
                == "Cache file /var/lib/sts-bridge/cache.db: of two lines (SQLite \(code.rawValue)). \(advice)")
    }

    @Test(arguments: [ResultCode.SQLITE_FULL, .SQLITE_IOERR_SHMSIZE])
    func `a full disk has one text, wherever it is met`(_ code: ResultCode) {
        #expect(trouble.failure(DatabaseError(resultCode: code)) == trouble.full())
    }

    @Test func `the system's words are told with what to do`() {
        #expect(
            trouble.failure(system: EACCES).description
                == "Cache file /var/lib/sts-bridge/cache.db: Permission denied. Let this user read and write it, what "
                + "is beside it (-wal, -shm, .lock) and its directory, or set cache.path to another file.")
        #expect(
            trouble.failure(system: ENOSPC, at: "its directory").description
                == "Cache file /var/lib/sts-bridge/cache.db: its directory: No space left on device. Free space on its file "
                + "system.")
    }

    @Test func `refusals say what to do`() {
        #expect(
            "\(ArchiveRefusal.inUse(path: "/c", pid: 7))"
                == "Cache file /c is in use by another process (pid 7). Stop that one, or set cache.path to another file."
        )
        #expect(
            "\(ArchiveRefusal.inUse(path: "/c", pid: nil))"
                == "Cache file /c is in use by another process. Stop that one, or set cache.path to another file.")
        #expect(
            "\(ArchiveRefusal.newerSchema(path: "/c"))"
                == "Cache file /c was written by a newer sts-bridge and is not touched. Upgrade sts-bridge, or move the "
                + "file away, or set cache.path to another file.")
    }
}

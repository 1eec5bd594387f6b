import GRDB
import Glibc
import Testing

@testable import SQLiteStore

@Suite struct StoreErrorMessageTests {
    private let message = StoreErrorMessage("/var/lib/sts-bridge/cache.db")

    @Test(arguments: [
        (
            ResultCode.SQLITE_READONLY,
            "Let this user read and write it, the files beside it (-wal, -shm, .lock) and its directory, or set cache.path to another file."
        ),
        (
            .SQLITE_CANTOPEN,
            "Let this user read and write it, the files beside it (-wal, -shm, .lock) and its directory, or set cache.path to another file."
        ),
        (.SQLITE_BUSY, "Another program has locked it; wait for that program, or end it (a backup, sqlite3)."),
        (.SQLITE_NOMEM, "Give sts-bridge more memory."),
        (.SQLITE_CORRUPT, "Repair it (sqlite3 .recover) or move it away; a new file is created within a minute."),
        (.SQLITE_NOTADB, "Repair it (sqlite3 .recover) or move it away; a new file is created within a minute."),
        (.SQLITE_IOERR_READ, "See the kernel's log, the state and the quota of its file system."),
    ])
    func `an error of SQLite says what to do, and has no statement`(code: ResultCode, advice: String) {
        let error = DatabaseError(
            resultCode: code, message: "of two\nlines", sql: "DELETE FROM secrets", arguments: ["secret"])
        #expect(
            message.failure(error).description
                == "Cache file /var/lib/sts-bridge/cache.db: of two lines (SQLite \(code.rawValue)). \(advice)")
    }

    @Test(arguments: [ResultCode.SQLITE_FULL, .SQLITE_IOERR_SHMSIZE])
    func `a full disk has one text, wherever it is met`(_ code: ResultCode) {
        #expect(message.failure(DatabaseError(resultCode: code)) == message.full())
    }

    @Test func `an error of the system says what to do`() {
        #expect(
            message.failure(system: EACCES).description
                == "Cache file /var/lib/sts-bridge/cache.db: Permission denied. Let this user read and write it, the "
                + "files beside it (-wal, -shm, .lock) and its directory, or set cache.path to another file.")
        #expect(
            message.failure(system: ENOSPC, at: "its directory").description
                == "Cache file /var/lib/sts-bridge/cache.db: its directory: No space left on device. Free space on its file "
                + "system.")
    }

    @Test func `an error that prevents opening says what to do`() {
        #expect(
            "\(StoreOpenError.newerSchema(path: "/c"))"
                == "Cache file /c was written by a newer sts-bridge and is not changed. Upgrade sts-bridge, or move the "
                + "file away, or set cache.path to another file.")
    }
}

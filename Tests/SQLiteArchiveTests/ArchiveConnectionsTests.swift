import Foundation
import GRDB
import MTASTS
import PolicyService
import TestSupport
import Testing

@testable import SQLiteArchive

@Suite struct ArchiveConnectionsTests {
    let lab: ArchiveLab
    private let first: ArchivedPolicy
    private let second: ArchivedPolicy

    init() throws {
        lab = try ArchiveLab()
        first = try ArchiveContract.sample("first.example")
        second = try ArchiveContract.sample("second.example")
    }

    private var moved: String {
        "Cache file \(lab.path): it was removed or replaced while it was open. It is opened again within a minute."
    }

    /// It fails, is opened anew, and then everything works.
    private func expectAnew(_ archive: SQLiteArchive, holding rows: [ArchivedPolicy]) async throws {
        #expect(await failure { try await archive.keep(first) } == moved)
        let opening = try await archive.open()
        #expect(opening == .anew)
        let found = try await archive.loaded()
        #expect(found == rows.map(ArchivedRow.policy))
        try await archive.keep(first, second)
        let again = try await archive.open()
        #expect(again == .unchanged)
        await archive.close()
        try await expectKept(first, second)
    }

    private func expectKept(_ policies: ArchivedPolicy...) async throws {
        let reopened = try await lab.archive()
        for policy in policies {
            let row = try await reopened.row(of: policy.domain)
            #expect(row == .policy(policy))
        }
        await reopened.close()
    }

    // MARK: Removed and replaced

    @Test(arguments: [[""], ["", "-wal", "-shm"], ["", "-wal", "-shm", ".lock"]])
    func `a removed file is noticed, and a new one begun`(_ files: [String]) async throws {
        let archive = try await lab.archive()
        try await archive.keep(first)
        for file in files { try lab.remove(file) }
        try await expectAnew(archive, holding: [])
    }

    @Test(arguments: ["-wal", "-shm"])
    func `a file of SQLite's that is removed costs nothing that was committed`(_ file: String) async throws {
        let archive = try await lab.archive()
        try await archive.keep(first)
        try lab.remove(file)
        try await expectAnew(archive, holding: [first])
    }

    @Test func `a removed lock is taken again`() async throws {
        let archive = try await lab.archive()
        try lab.remove(".lock")
        let opening = try await archive.open()
        #expect(opening == .anew)
        #expect(lab.refusal() == .inUse(path: lab.path, pid: getpid()))
        await archive.close()
    }

    @Test func `when another process took the removed lock this one stops writing`() async throws {
        let archive = try await lab.archive()
        try lab.remove(".lock")
        guard case .taken(let lock) = WriterLock.attempt(lab.files.lock) else {
            Issue.record("the lock cannot be taken")
            return
        }
        let words = "\(ArchiveRefusal.inUse(path: lab.path, pid: getpid()))"
        #expect(await failure { try await archive.open() } == words)
        #expect(await failure { try await archive.keep(first) } == words)
        withExtendedLifetime(lock) {}
        await archive.close()
    }

    @Test func `a removed directory is made again`() async throws {
        let path = lab.directory + "/below/cache.db"
        let archive = try SQLiteArchive(path: path)
        _ = try await archive.open()
        try await archive.keep(first)
        try FileManager.default.removeItem(atPath: lab.directory + "/below")
        #expect(await failure { try await archive.keep(second) } != nil)
        let opening = try await archive.open()
        #expect(opening == .anew)
        try await archive.keep(second)
        await archive.close()
        let reopened = try SQLiteArchive(path: path)
        let rows = try await reopened.loaded()
        #expect(rows == [.policy(second)])
        await reopened.close()
    }

    @Test func `a replaced file is noticed, and read without the log of the old one`() async throws {
        let archive = try await lab.archive()
        try await archive.keep(first)
        let other = try ArchiveLab()
        try await other.leave(second)
        #expect(rename(other.path, lab.path) == 0)
        try await expectAnew(archive, holding: [second])
    }

    @Test func `the log of a replaced file goes even if it cannot be emptied`() async throws {
        let archive = try await lab.archive()
        try await archive.keep(first)
        // Whoever reads what is in the log keeps it from being emptied.
        let reading = try lab.other()
        _ = try await reading.writeWithoutTransaction { database in
            try database.execute(sql: "BEGIN")
            return try Int.fetchOne(database, sql: "SELECT count(*) FROM policy")
        }
        let other = try ArchiveLab()
        try await other.leave(second)
        #expect(rename(other.path, lab.path) == 0)
        try await expectAnew(archive, holding: [second])
        try await reading.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
    }

    @Test func `a file that is moved away takes with it what was committed`() async throws {
        let archive = try await lab.archive()
        try await archive.keep(first)
        let away = try ArchiveLab()
        #expect(rename(lab.path, away.path) == 0)
        try await expectAnew(archive, holding: [])
        let old = try SQLiteArchive(path: away.path)
        let rows = try await old.loaded()
        #expect(rows == [.policy(first)])
        await old.close()
    }

    @Test func `a file that is replaced together with its log is read with it`() async throws {
        let archive = try await lab.archive()
        try await archive.keep(first)
        let other = try ArchiveLab()
        let running = try await other.archive()
        try await running.keep(second)
        let copy = try ArchiveLab()
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: other.path + suffix, toPath: copy.path + suffix)
        }
        await running.close()
        try lab.remove("-shm")
        for suffix in ["", "-wal"] { #expect(rename(copy.path + suffix, lab.path + suffix) == 0) }
        try await expectAnew(archive, holding: [second])
    }

    @Test func `closing does not remove the log of a file that took its place`() async throws {
        let archive = try await lab.archive()
        try lab.remove("", "-wal", "-shm")
        for suffix in ["", "-wal", "-shm"] { try Data("other".utf8).write(to: URL(filePath: lab.path + suffix)) }
        await archive.close()
        for suffix in ["", "-wal", "-shm"] { #expect(try lab.octets(lab.path + suffix) == Data("other".utf8)) }
    }

    @Test func `a file that is removed during a change fails it`() throws {
        var lock: WriterLock?
        let connections = try ArchiveOpener(files: lab.files).openForWriting(&lock)
        // SQLite takes it for a success: the file is there, only its name is not.
        let error = #expect(throws: ArchiveFailure.self) {
            try connections.write { database in
                try ArchiveSchema.writeMark(database)
                unlink(lab.path)
            }
        }
        #expect(error?.description == moved)
        connections.close()
    }

    // MARK: Locked

    @Test func `a database that another program locks works again when it is let go`() async throws {
        let archive = try await lab.archive()
        try await archive.keep(first)
        let other = try lab.lockedByOther()
        let words =
            "Cache file \(lab.path): database is locked (SQLite 5). Another program has it open: let that one end "
            + "(a backup, sqlite3)."
        #expect(await failure { try await archive.keep(second) } == words)
        #expect(await failure { try await archive.purge(at: first.fetchedAt, grace: .zero) } == words)
        #expect(await failure { try await archive.open() } == words)
        let row = try await archive.row(of: first.domain)
        #expect(row == .policy(first))
        try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        let opening = try await archive.open()
        #expect(opening == .unchanged)
        try await archive.keep(second)
        try other.close()
        await archive.close()
        try await expectKept(first, second)
    }

    @Test func `one that is locked at the start is read at once and written later`() async throws {
        try await lab.leave(first)
        let other = try lab.lockedByOther()
        let archive = try SQLiteArchive(path: lab.path)
        #expect(await failure { try await archive.open() }?.contains("database is locked") == true)
        let rows = try await archive.loaded()
        #expect(rows == [.policy(first)])
        try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        try other.close()
        let opening = try await archive.open()
        #expect(opening == .anew)
        try await archive.keep(second)
        await archive.close()
        try await expectKept(first, second)
    }

    // MARK: Groups

    @Test func `of a group that fails nothing remains`() async throws {
        let archive = try await lab.archive()
        try lab.change(
            "CREATE TRIGGER no BEFORE INSERT ON policy WHEN new.domain = 'second.example' "
                + "BEGIN SELECT RAISE(ABORT, 'no'); END")
        #expect(await failure { try await archive.keep(first, second) }?.contains("no (SQLite") == true)
        let row = try await archive.row(of: first.domain)
        #expect(row == nil)
        try lab.change("DROP TRIGGER no")
        try await archive.keep(first, second)
        await archive.close()
    }

    @Test func `a mark from a clock that was ahead does not keep a policy for ever`() async throws {
        let archive = try await lab.archive()
        let over = try ArchiveContract.sample("over.example", expiresAt: 10)
        try await archive.keep(over)
        for now: Int64 in [1_000_000_000, 1_000, 7_999] {
            _ = try await archive.purge(at: WallTime(milliseconds: now), grace: .seconds(7))
        }
        let spared = try await archive.row(of: over.domain)
        #expect(spared != nil)
        _ = try await archive.purge(at: WallTime(milliseconds: 8_000), grace: .seconds(7))
        let purged = try await archive.row(of: over.domain)
        #expect(purged == nil)
        await archive.close()
    }

    // MARK: A full disk

    @Test(.enabled(if: Mount.isPossible, "run by Tests/in-namespace"))
    func `on a full disk changes fail, and work again when there is room`() async throws {
        try Mount.tmpfs(lab.directory, "size=4m")
        defer { try? Mount.unmount(lab.directory) }
        let archive = try await lab.archive()
        try await archive.keep(first)
        let filler = lab.directory + "/filler"
        try Data(count: 2_500_000).write(to: URL(filePath: filler))
        let long = try (0..<30).map {
            ArchiveChange.keep(
                try ArchiveContract.sample("long\($0).example", text: [UInt8](repeating: 1, count: 65_536)))
        }
        let words = try #require(await failure { try await archive.commit(long) })
        #expect(words == "Cache file \(lab.path): its file system is full. Free space there, more than 1 MiB.")
        // A single octet would fit into the log by now, but that is not what matters.
        #expect(await failure { try await archive.open() } == words)
        let row = try await archive.row(of: first.domain)
        #expect(row == .policy(first))
        try FileManager.default.removeItem(atPath: filler)
        let opening = try await archive.open()
        #expect(opening == .unchanged)
        try await archive.commit(long)
        let rows = try await archive.loaded()
        #expect(rows.count == 31)
        await archive.close()
    }

    @Test(.enabled(if: Mount.isPossible, "run by Tests/in-namespace"))
    func `a disk that is full at the start is no reason not to start`() async throws {
        try Mount.tmpfs(lab.directory, "size=1m")
        defer { try? Mount.unmount(lab.directory) }
        let filler = lab.directory + "/filler"
        try lab.fill(filler)
        let archive = try SQLiteArchive(path: lab.path)
        let words = try #require(await failure { try await archive.open() })
        #expect(words.contains("Free space"), Comment(rawValue: words))
        try FileManager.default.removeItem(atPath: filler)
        let opening = try await archive.open()
        #expect(opening == .anew)
        try await archive.keep(first)
        await archive.close()
        try await expectKept(first)
    }
}

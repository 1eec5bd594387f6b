import Foundation
import GRDB
import MTASTS
import PolicyCaching
import TestSupport
import Testing
import TextFormats

@testable import SQLiteStore

@Suite struct StoreConnectionsTests {
    let fixture: StoreFixture
    private let first: StoredPolicy
    private let second: StoredPolicy

    init() throws {
        fixture = try StoreFixture()
        first = try StoreContract.sample("first.example")
        second = try StoreContract.sample("second.example")
    }

    private var moved: String {
        "Cache file \(fixture.path): it was removed or replaced while it was open. It is opened again within a minute."
    }

    /// It fails, is opened anew, and then everything works.
    private func expectAnew(_ store: SQLitePolicyStore, holding rows: [StoredPolicy]) async throws {
        #expect(await failure { try await store.keep(first) } == moved)
        let opening = try await store.open()
        #expect(opening == .anew)
        let found = try await store.loaded()
        #expect(found == rows.map(StoredRow.policy))
        try await store.keep(first, second)
        let again = try await store.open()
        #expect(again == .unchanged)
        await store.close()
        try await expectKept(first, second)
    }

    private func expectKept(_ policies: StoredPolicy...) async throws {
        let reopened = try await fixture.store()
        for policy in policies {
            let row = try await reopened.row(of: policy.domain)
            #expect(row == .policy(policy))
        }
        await reopened.close()
    }

    // MARK: Removed and replaced

    @Test(arguments: [[""], ["", "-wal", "-shm"], ["", "-wal", "-shm", ".lock"]])
    func `a removed file is noticed, and a new one begun`(_ files: [String]) async throws {
        let store = try await fixture.store()
        try await store.keep(first)
        for file in files { try fixture.remove(file) }
        try await expectAnew(store, holding: [])
    }

    @Test(arguments: ["-wal", "-shm"])
    func `a file of SQLite's that is removed costs nothing that was committed`(_ file: String) async throws {
        let store = try await fixture.store()
        try await store.keep(first)
        try fixture.remove(file)
        try await expectAnew(store, holding: [first])
    }

    @Test func `a removed lock file disturbs nothing, and is created again`() async throws {
        let store = try await fixture.store()
        try fixture.remove(".lock")
        try await store.keep(first)
        #expect(try await store.open() == .unchanged)
        _ = try await store.otherProcesses(since: nil)
        let other = try await fixture.store()
        #expect(other.otherProcessIDs == [getpid()])
        #expect(store.otherProcessIDs == [getpid()])
        await other.close()
        await store.close()
    }

    @Test func `a removed directory is made again`() async throws {
        let path = fixture.directory + "/below/cache.db"
        let store = try SQLitePolicyStore(path: path)
        _ = try await store.open()
        try await store.keep(first)
        try FileManager.default.removeItem(atPath: fixture.directory + "/below")
        #expect(await failure { try await store.keep(second) } != nil)
        let opening = try await store.open()
        #expect(opening == .anew)
        try await store.keep(second)
        await store.close()
        let reopened = try SQLitePolicyStore(path: path)
        let rows = try await reopened.loaded()
        #expect(rows == [.policy(second)])
        await reopened.close()
    }

    @Test func `a replaced file is noticed, and read without the log of the old one`() async throws {
        let store = try await fixture.store()
        try await store.keep(first)
        let other = try StoreFixture()
        try await other.leave(second)
        #expect(rename(other.path, fixture.path) == 0)
        try await expectAnew(store, holding: [second])
    }

    @Test func `the log of a replaced file goes even if it cannot be emptied`() async throws {
        let store = try await fixture.store()
        try await store.keep(first)
        // A reader of the log keeps it from being emptied.
        let reading = try fixture.other()
        _ = try await reading.writeWithoutTransaction { database in
            try database.execute(sql: "BEGIN")
            return try Int.fetchOne(database, sql: "SELECT count(*) FROM policy")
        }
        let other = try StoreFixture()
        try await other.leave(second)
        #expect(rename(other.path, fixture.path) == 0)
        try await expectAnew(store, holding: [second])
        try await reading.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
    }

    @Test func `a file that is moved away takes with it what was committed`() async throws {
        let store = try await fixture.store()
        try await store.keep(first)
        let away = try StoreFixture()
        #expect(rename(fixture.path, away.path) == 0)
        try await expectAnew(store, holding: [])
        let old = try SQLitePolicyStore(path: away.path)
        let rows = try await old.loaded()
        #expect(rows == [.policy(first)])
        await old.close()
    }

    @Test func `a file that is replaced together with its log is read with it`() async throws {
        let store = try await fixture.store()
        try await store.keep(first)
        let other = try StoreFixture()
        let running = try await other.store()
        try await running.keep(second)
        let copy = try StoreFixture()
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: other.path + suffix, toPath: copy.path + suffix)
        }
        await running.close()
        try fixture.remove("-shm")
        for suffix in ["", "-wal"] { #expect(rename(copy.path + suffix, fixture.path + suffix) == 0) }
        try await expectAnew(store, holding: [second])
    }

    @Test func `closing does not remove the log of a file that took its place`() async throws {
        let store = try await fixture.store()
        try fixture.remove("", "-wal", "-shm")
        for suffix in ["", "-wal", "-shm"] { try Data("other".utf8).write(to: URL(filePath: fixture.path + suffix)) }
        await store.close()
        for suffix in ["", "-wal", "-shm"] { #expect(try fixture.octets(fixture.path + suffix) == Data("other".utf8)) }
    }

    @Test func `a file that is removed during a change fails it`() throws {
        var lock: StoreLock?
        let connections = try StoreOpener(files: fixture.files, author: 1).openForWriting(&lock)
        // SQLite takes it for a success: the file is there, only its name is not.
        let error = #expect(throws: StoreError.self) {
            try connections.write { database in
                try StoreSchema.writeApplicationID(database)
                unlink(fixture.path)
            }
        }
        #expect(error?.description == moved)
        connections.close()
    }

    // MARK: Locked

    @Test func `a database that another program locks works again when that program releases it`() async throws {
        let store = try await fixture.store()
        try await store.keep(first)
        let other = try fixture.lockedByOther()
        let reason =
            "Cache file \(fixture.path): database is locked (SQLite 5). Another program has locked it; wait for that program, or end "
            + "it (a backup, sqlite3)."
        #expect(await failure { try await store.keep(second) } == reason)
        #expect(await failure { try await store.purge(at: first.fetchedAt, grace: .zero) } == reason)
        #expect(await failure { try await store.open() } == reason)
        let row = try await store.row(of: first.domain)
        #expect(row == .policy(first))
        try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        let opening = try await store.open()
        #expect(opening == .unchanged)
        try await store.keep(second)
        try other.close()
        await store.close()
        try await expectKept(first, second)
    }

    @Test func `one that is locked at the start is read at once and written later`() async throws {
        try await fixture.leave(first)
        let other = try fixture.lockedByOther()
        let store = try SQLitePolicyStore(path: fixture.path)
        #expect(await failure { try await store.open() }?.contains("database is locked") == true)
        let rows = try await store.loaded()
        #expect(rows == [.policy(first)])
        try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        try other.close()
        let opening = try await store.open()
        #expect(opening == .anew)
        try await store.keep(second)
        await store.close()
        try await expectKept(first, second)
    }

    // MARK: Groups

    @Test func `of a group that fails nothing remains`() async throws {
        let store = try await fixture.store()
        try fixture.change(
            "CREATE TRIGGER no BEFORE INSERT ON policy WHEN new.domain = 'second.example' "
                + "BEGIN SELECT RAISE(ABORT, 'no'); END")
        #expect(await failure { try await store.keep(first, second) }?.contains("no (SQLite") == true)
        let row = try await store.row(of: first.domain)
        #expect(row == nil)
        try fixture.change("DROP TRIGGER no")
        try await store.keep(first, second)
        await store.close()
    }

    @Test func `a mark from a clock that was ahead does not keep a policy for ever`() async throws {
        let store = try await fixture.store()
        let over = try StoreContract.sample("over.example", expiresAt: 10)
        try await store.keep(over)
        for now: Int64 in [1_000_000_000, 1_000, 7_999] {
            _ = try await store.purge(at: WallTime(milliseconds: now), grace: .seconds(7))
        }
        let spared = try await store.row(of: over.domain)
        #expect(spared != nil)
        _ = try await store.purge(at: WallTime(milliseconds: 8_000), grace: .seconds(7))
        let purged = try await store.row(of: over.domain)
        #expect(purged == nil)
        await store.close()
    }

    // MARK: A full disk

    @Test(.enabled(if: Mount.isPossible, "run by Tests/in-namespace"))
    func `on a full disk changes fail, and work again when there is space`() async throws {
        try Mount.tmpfs(fixture.directory, options: "size=4m")
        defer { try? Mount.unmount(fixture.directory) }
        let store = try await fixture.store()
        try await store.keep(first)
        let filler = fixture.directory + "/filler"
        try Data(count: 2_500_000).write(to: URL(filePath: filler))
        let long = try (0..<30).map {
            StoreChange.savePolicy(
                try StoreContract.sample("long\($0).example", text: [UInt8](repeating: 1, count: 65_536)))
        }
        let reason = try #require(await failure { try await store.commit(long) })
        #expect(reason == "Cache file \(fixture.path): its file system is full. Free space there, more than 1 MiB.")
        // A single octet would fit into the log by now, but that is not what matters.
        #expect(await failure { try await store.open() } == reason)
        let row = try await store.row(of: first.domain)
        #expect(row == .policy(first))
        try FileManager.default.removeItem(atPath: filler)
        let opening = try await store.open()
        #expect(opening == .unchanged)
        try await store.commit(long)
        let rows = try await store.loaded()
        #expect(rows.count == 31)
        await store.close()
    }

    @Test(.enabled(if: Mount.isPossible, "run by Tests/in-namespace"))
    func `a disk that is full at the start is no reason not to start`() async throws {
        try Mount.tmpfs(fixture.directory, options: "size=1m")
        defer { try? Mount.unmount(fixture.directory) }
        let filler = fixture.directory + "/filler"
        try fixture.fill(filler)
        let store = try SQLitePolicyStore(path: fixture.path)
        let reason = try #require(await failure { try await store.open() })
        #expect(reason.contains("Free space"), Comment(rawValue: reason))
        try FileManager.default.removeItem(atPath: filler)
        let opening = try await store.open()
        #expect(opening == .anew)
        try await store.keep(first)
        await store.close()
        try await expectKept(first)
    }
}

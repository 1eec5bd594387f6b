import Foundation
import GRDB
import MTASTS
import TestSupport
import Testing

@testable import SQLiteStore

@Suite struct StoreOpenerTests {
    let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    private func openingFailure() async throws -> String {
        let store = try SQLitePolicyStore(path: fixture.path)
        let reason = await failure { try await store.open() }
        // The same error as long as nothing changes.
        #expect(await failure { try await store.open() } == reason)
        let sample = try StoreContract.sample("any.example")
        #expect(await failure { try await store.keep(sample) } == reason)
        await store.close()
        return try #require(reason)
    }

    // MARK: Where there is nothing

    @Test func `a new one is for its user and its group only`() async throws {
        try await fixture.store().close()
        let mode = try FileManager.default.attributesOfItem(atPath: fixture.path)[.posixPermissions] as? Int
        #expect(mode == 0o640)
    }

    @Test func `its directory is created if only the last component is missing`() async throws {
        let path = fixture.directory + "/below/cache.db"
        let store = try SQLitePolicyStore(path: path)
        _ = try await store.open()
        await store.close()
        let below = fixture.directory + "/below"
        let mode = try FileManager.default.attributesOfItem(atPath: below)[.posixPermissions] as? Int
        #expect(mode == 0o750)
        let deep = fixture.directory + "/no/way/cache.db"
        let failing = try SQLitePolicyStore(path: deep)
        #expect(
            await failure { try await failing.open() }
                == "Cache file \(deep): its directory: No such file or directory. Create the directory, or set cache.path "
                + "to another file.")
        #expect(await failure { try await failing.loaded() } != nil)
    }

    @Test func `an empty file is begun`() async throws {
        try fixture.write([])
        try await fixture.store().close()
        try fixture.change("DELETE FROM policy")
    }

    @Test func `a database without anything in it is begun`() async throws {
        try fixture.change("VACUUM")
        try await fixture.store().close()
        try fixture.change("DELETE FROM policy")
    }

    @Test func `a file that has only the application id is set up again`() async throws {
        try fixture.change("PRAGMA application_id = \(StoreSchema.applicationID)")
        try await fixture.store().close()
        try fixture.change("DELETE FROM policy")
    }

    @Test func `a path is never an address nor a database in memory`() async throws {
        for name in ["file:cache.db?mode=memory", ":memory:"] {
            let path = fixture.directory + "/" + name
            let store = try SQLitePolicyStore(path: path)
            _ = try await store.open()
            await store.close()
            #expect(FileManager.default.fileExists(atPath: path))
        }
        #expect(StoreFiles(":memory:").path == "./:memory:")
        #expect(StoreFiles("file:x").path == "./file:x")
    }

    @Test func `a symbolic link is followed`() async throws {
        let store = try await fixture.store()
        let sample = try StoreContract.sample("link.example")
        try await store.keep(sample)
        await store.close()
        let link = fixture.directory + "/link.db"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: fixture.path)
        let linked = try SQLitePolicyStore(path: link)
        _ = try await linked.open()
        let row = try await linked.row(of: sample.domain)
        #expect(row == .policy(sample))
        try await linked.keep(sample)
        await linked.close()
    }

    @Test func `a log that was left behind is not taken for that of a new file`() async throws {
        let other = try StoreFixture()
        let running = try await other.store()
        try await running.keep(try StoreContract.sample("old.example"))
        try FileManager.default.copyItem(atPath: other.path + "-wal", toPath: fixture.path + "-wal")
        await running.close()
        let store = try await fixture.store()
        let rows = try await store.loaded()
        #expect(rows.isEmpty)
        try await store.keep(try StoreContract.sample("new.example"))
        await store.close()
        let reopened = try await fixture.store()
        let reloaded = try await reopened.loaded()
        #expect(reloaded.count == 1)
        await reopened.close()
    }

    // MARK: What is not ours

    @Test func `a newer schema is refused and not touched`() async throws {
        try await fixture.leave(try StoreContract.sample("newer.example"))
        try fixture.change("INSERT INTO grdb_migrations VALUES ('2 something new')")
        let before = try fixture.octets()
        #expect(fixture.openError() == .newerSchema(path: fixture.path))
        #expect(fixture.openError(.readOnly) == .newerSchema(path: fixture.path))
        #expect(try fixture.octets() == before)
        // And its lock is free.
        try fixture.change("DELETE FROM grdb_migrations WHERE identifier = '2 something new'")
        try await fixture.store().close()
    }

    @Test func `a newer schema that is still in SQLite's log is refused and not touched`() async throws {
        let store = try await fixture.store()
        let newer = try DatabaseQueue(path: fixture.path)
        try await newer.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('2 something new')") }
        let copy = try StoreFixture()
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: fixture.path + suffix, toPath: copy.path + suffix)
        }
        try newer.close()
        await store.close()
        let before = try (copy.octets(), copy.octets(copy.path + "-wal"))
        #expect(copy.openError() == .newerSchema(path: copy.path))
        #expect(try copy.octets() == before.0)
        #expect(try copy.octets(copy.path + "-wal") == before.1)
    }

    @Test func `a newer schema that is put there later is a failure`() async throws {
        let store = try await fixture.store()
        let other = try StoreFixture()
        try await other.leave()
        try other.change("INSERT INTO grdb_migrations VALUES ('2 something new')")
        try fixture.remove("")
        try FileManager.default.moveItem(atPath: other.path, toPath: fixture.path)
        #expect(await failure { try await store.open() } == "\(StoreOpenError.newerSchema(path: fixture.path))")
        await store.close()
    }

    @Test func `the database of another program is not changed`() async throws {
        for id in [0, 1] {
            try fixture.change("PRAGMA application_id = \(id); CREATE TABLE policy (domain TEXT)")
            let before = try fixture.octets()
            let reason = try await openingFailure()
            #expect(
                reason
                    == "Cache file \(fixture.path): it is not a cache file of sts-bridge and is not changed. Move it away, or set "
                    + "cache.path to another file.")
            #expect(try fixture.octets() == before)
            #expect(fixture.openError(.readOnly) == .unreadable(reason: reason))
            try fixture.remove("")
        }
    }

    @Test func `an empty database with the application id of another program is not changed`() async throws {
        try fixture.change("PRAGMA application_id = 7; VACUUM")
        let before = try fixture.octets()
        #expect(try await openingFailure().contains("not a cache file of sts-bridge"))
        #expect(try fixture.octets() == before)
    }

    @Test func `a file that is no database is not touched`() async throws {
        let garbage = [UInt8](repeating: UInt8(ascii: "x"), count: 10_000)
        try fixture.write(garbage)
        let reason = try await openingFailure()
        #expect(
            reason
                == "Cache file \(fixture.path): file is not a database (SQLite 26). Repair it (sqlite3 .recover) or move it away; a new file is created within a "
                + "minute.")
        #expect(try [UInt8](fixture.octets()) == garbage)
        #expect(fixture.openError(.readOnly) == .unreadable(reason: reason))
    }

    @Test func `what is not a file is left alone`() async throws {
        try FileManager.default.createDirectory(atPath: fixture.path, withIntermediateDirectories: false)
        #expect(try await openingFailure().contains("it is not a file"))
    }

    @Test func `a file that is moved away is followed by a new one`() async throws {
        try fixture.write(Array("not a database, however long it may be".utf8))
        let store = try SQLitePolicyStore(path: fixture.path)
        #expect(await failure { try await store.open() } != nil)
        try FileManager.default.moveItem(atPath: fixture.path, toPath: fixture.path + ".away")
        let opening = try await store.open()
        #expect(opening == .anew)
        let sample = try StoreContract.sample("new.example")
        try await store.keep(sample)
        await store.close()
    }

    @Test func `a damaged file is not replaced by a second process either`() async throws {
        let content = Array("not a database, however long it may be".utf8)
        try fixture.write(content)
        let (first, second) = (try SQLitePolicyStore(path: fixture.path), try SQLitePolicyStore(path: fixture.path))
        for store in [first, second] { #expect(await failure { try await store.open() } != nil) }
        #expect(try [UInt8](fixture.octets()) == content)
        for store in [first, second] { await store.close() }
    }

    @Test func `the second lock file of an earlier build is removed`() async throws {
        try await fixture.leave()
        try Data("4711\n".utf8).write(to: URL(filePath: fixture.path + ".lock.heir"))
        try await fixture.store().close()
        #expect(try fixture.names() == ["cache.db", "cache.db.lock"])
    }

    // MARK: Reading only

    @Test func `a missing file is not made by reading`() throws {
        #expect(fixture.openError(.readOnly) == .missing(path: fixture.path))
        #expect(try fixture.names() == [])
    }

    @Test func `a file in which nothing was saved yet is not readable`() throws {
        try fixture.write([])
        guard case .unreadable(let reason) = fixture.openError(.readOnly) else {
            Issue.record("it was taken")
            return
        }
        #expect(reason.contains("it has no policies yet"))
        #expect(try fixture.octets().isEmpty)
    }
}

import Foundation
import GRDB
import MTASTS
import PolicyService
import TestSupport
import Testing

@testable import SQLiteArchive

@Suite struct ArchiveOpenerTests {
    let lab: ArchiveLab

    init() throws { lab = try ArchiveLab() }

    private func openingFailure() async throws -> String {
        let archive = try SQLiteArchive(path: lab.path)
        let words = await failure { try await archive.open() }
        // Told again as long as nothing changes.
        #expect(await failure { try await archive.open() } == words)
        let sample = try ArchiveContract.sample("any.example")
        #expect(await failure { try await archive.keep(sample) } == words)
        await archive.close()
        return try #require(words)
    }

    // MARK: Where there is nothing

    @Test func `a new one is for its user and its group only`() async throws {
        try await lab.archive().close()
        let mode = try FileManager.default.attributesOfItem(atPath: lab.path)[.posixPermissions] as? Int
        #expect(mode == 0o640)
    }

    @Test func `its directory is created if only the last component is missing`() async throws {
        let path = lab.directory + "/below/cache.db"
        let archive = try SQLiteArchive(path: path)
        _ = try await archive.open()
        await archive.close()
        let mode = try FileManager.default.attributesOfItem(atPath: lab.directory + "/below")[.posixPermissions] as? Int
        #expect(mode == 0o750)
        let deep = lab.directory + "/no/way/cache.db"
        let failing = try SQLiteArchive(path: deep)
        #expect(
            await failure { try await failing.open() }
                == "Cache file \(deep): its directory: No such file or directory. Create the directory, or set cache.path "
                + "to another file.")
        #expect(await failure { try await failing.loaded() } != nil)
    }

    @Test func `an empty file is begun`() async throws {
        try lab.write([])
        try await lab.archive().close()
        try lab.change("DELETE FROM policy")
    }

    @Test func `a database without anything in it is begun`() async throws {
        try lab.change("VACUUM")
        try await lab.archive().close()
        try lab.change("DELETE FROM policy")
    }

    @Test func `one that ended after its mark is begun again`() async throws {
        try lab.change("PRAGMA application_id = \(ArchiveSchema.mark)")
        try await lab.archive().close()
        try lab.change("DELETE FROM policy")
    }

    @Test func `a path is never an address nor a database in memory`() async throws {
        for name in ["file:cache.db?mode=memory", ":memory:"] {
            let path = lab.directory + "/" + name
            let archive = try SQLiteArchive(path: path)
            _ = try await archive.open()
            await archive.close()
            #expect(FileManager.default.fileExists(atPath: path))
        }
        #expect(ArchiveFiles(":memory:").path == "./:memory:")
        #expect(ArchiveFiles("file:x").path == "./file:x")
    }

    @Test func `a symbolic link is followed`() async throws {
        let archive = try await lab.archive()
        let sample = try ArchiveContract.sample("link.example")
        try await archive.keep(sample)
        await archive.close()
        let link = lab.directory + "/link.db"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: lab.path)
        let linked = try SQLiteArchive(path: link)
        _ = try await linked.open()
        let row = try await linked.row(of: sample.domain)
        #expect(row == .policy(sample))
        try await linked.keep(sample)
        await linked.close()
    }

    @Test func `a log that was left behind is not taken for that of a new file`() async throws {
        let other = try ArchiveLab()
        let running = try await other.archive()
        try await running.keep(try ArchiveContract.sample("old.example"))
        try FileManager.default.copyItem(atPath: other.path + "-wal", toPath: lab.path + "-wal")
        await running.close()
        let archive = try await lab.archive()
        let rows = try await archive.loaded()
        #expect(rows.isEmpty)
        try await archive.keep(try ArchiveContract.sample("new.example"))
        await archive.close()
        let reopened = try await lab.archive()
        let kept = try await reopened.loaded()
        #expect(kept.count == 1)
        await reopened.close()
    }

    // MARK: What is not ours

    @Test func `a newer schema is refused and not touched`() async throws {
        try await lab.leave(try ArchiveContract.sample("newer.example"))
        try lab.change("INSERT INTO grdb_migrations VALUES ('2 something new')")
        let before = try lab.octets()
        #expect(lab.refusal() == .newerSchema(path: lab.path))
        #expect(lab.refusal(.readOnly) == .newerSchema(path: lab.path))
        #expect(try lab.octets() == before)
        // And its lock is free.
        try lab.change("DELETE FROM grdb_migrations WHERE identifier = '2 something new'")
        try await lab.archive().close()
    }

    @Test func `a newer schema that is still in SQLite's log is refused and not touched`() async throws {
        let archive = try await lab.archive()
        let newer = try DatabaseQueue(path: lab.path)
        try await newer.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('2 something new')") }
        let copy = try ArchiveLab()
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: lab.path + suffix, toPath: copy.path + suffix)
        }
        try newer.close()
        await archive.close()
        let before = try (copy.octets(), copy.octets(copy.path + "-wal"))
        #expect(copy.refusal() == .newerSchema(path: copy.path))
        #expect(try copy.octets() == before.0)
        #expect(try copy.octets(copy.path + "-wal") == before.1)
    }

    @Test func `a newer schema that is put there later is a failure`() async throws {
        let archive = try await lab.archive()
        let other = try ArchiveLab()
        try await other.leave()
        try other.change("INSERT INTO grdb_migrations VALUES ('2 something new')")
        try lab.remove("")
        try FileManager.default.moveItem(atPath: other.path, toPath: lab.path)
        #expect(await failure { try await archive.open() } == "\(ArchiveRefusal.newerSchema(path: lab.path))")
        await archive.close()
    }

    @Test func `somebody else's database is not touched`() async throws {
        for mark in [0, 1] {
            try lab.change("PRAGMA application_id = \(mark); CREATE TABLE policy (domain TEXT)")
            let before = try lab.octets()
            let words = try await openingFailure()
            #expect(
                words
                    == "Cache file \(lab.path): it is not a cache of sts-bridge and is not touched. Move it away, or set "
                    + "cache.path to another file.")
            #expect(try lab.octets() == before)
            #expect(lab.refusal(.readOnly) == .unreadable(reason: words))
            try lab.remove("")
        }
    }

    @Test func `an empty database that bears somebody else's mark is not touched`() async throws {
        try lab.change("PRAGMA application_id = 7; VACUUM")
        let before = try lab.octets()
        #expect(try await openingFailure().contains("not a cache of sts-bridge"))
        #expect(try lab.octets() == before)
    }

    @Test func `a file that is no database is not touched`() async throws {
        let garbage = [UInt8](repeating: UInt8(ascii: "x"), count: 10_000)
        try lab.write(garbage)
        let words = try await openingFailure()
        #expect(
            words
                == "Cache file \(lab.path): file is not a database (SQLite 26). Mend it (sqlite3 .recover) or move it away; a new one is begun within a "
                + "minute.")
        #expect(try [UInt8](lab.octets()) == garbage)
        #expect(lab.refusal(.readOnly) == .unreadable(reason: words))
    }

    @Test func `what is not a file is left alone`() async throws {
        try FileManager.default.createDirectory(atPath: lab.path, withIntermediateDirectories: false)
        #expect(try await openingFailure().contains("it is not a file"))
    }

    @Test func `a file that is moved away is followed by a new one`() async throws {
        try lab.write(Array("not a database, however long it may be".utf8))
        let archive = try SQLiteArchive(path: lab.path)
        #expect(await failure { try await archive.open() } != nil)
        try FileManager.default.moveItem(atPath: lab.path, toPath: lab.path + ".away")
        let opening = try await archive.open()
        #expect(opening == .anew)
        let sample = try ArchiveContract.sample("new.example")
        try await archive.keep(sample)
        await archive.close()
    }

    @Test func `while a file waits to be mended nobody else begins one`() async throws {
        try lab.write(Array("not a database, however long it may be".utf8))
        let archive = try SQLiteArchive(path: lab.path)
        #expect(lab.refusal() == .inUse(path: lab.path, pid: getpid()))
        await archive.close()
        #expect(lab.refusal() == nil)
    }

    // MARK: Reading only

    @Test func `a missing file is not made by reading`() throws {
        #expect(lab.refusal(.readOnly) == .missing(path: lab.path))
        #expect(try lab.names() == [])
    }

    @Test func `a file in which nothing was kept yet is not readable`() throws {
        try lab.write([])
        guard case .unreadable(let reason) = lab.refusal(.readOnly) else {
            Issue.record("it was taken")
            return
        }
        #expect(reason.contains("nothing is kept in it yet"))
        #expect(try lab.octets().isEmpty)
    }
}

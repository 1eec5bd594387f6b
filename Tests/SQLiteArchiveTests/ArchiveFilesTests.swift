import Foundation
import Glibc
import MTASTS
import PolicyService
import TestSupport
import Testing

@testable import SQLiteArchive

@Suite struct ArchiveFilesTests {
    let lab: ArchiveLab

    init() throws { lab = try ArchiveLab() }

    @Test func `a file is known by what it is, not by its name`() throws {
        try lab.write([1])
        let identity = try #require(FileIdentity(of: lab.path))
        try lab.write([2])
        #expect(FileIdentity(of: lab.path) == identity)
        #expect(rename(lab.path, lab.path + ".old") == 0)
        #expect(FileIdentity(of: lab.path) == nil)
        #expect(FileIdentity(of: lab.path + ".old") == identity)
        try lab.write([1])
        #expect(FileIdentity(of: lab.path) != identity)
    }

    @Test func `a file that is there is never created again`() throws {
        try lab.write([1])
        #expect(throws: ArchiveFailure.self) { try lab.files.create() }
        #expect(try lab.octets() == Data([1]))
    }

    // MARK: Without the rights. Root has them all, so another process gives them up.

    @Test func `a file that may not be read is told, and nothing stops`() async throws {
        try await lab.leave(try ArchiveContract.sample("there.example"))
        #expect(chmod(lab.directory, 0o755) == 0 && chmod(lab.path, 0) == 0 && chmod(lab.files.lock, 0o666) == 0)
        let path = lab.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            if geteuid() == 0 { try #require(setuid(65_534) == 0) }
            let archive = try SQLiteArchive(path: path)
            let words = await failure { try await archive.open() }
            try #require(words?.contains("Let this user read and write it") == true)
            try #require(await failure { try await archive.loaded() } == words)
            try #require(throws: ArchiveRefusal.self) { try SQLiteArchive(path: path, access: .readOnly) }
        }
    }

    @Test func `in a directory that may not be written what is there is read`() async throws {
        let sample = try ArchiveContract.sample("there.example")
        try await lab.leave(sample)
        try FileManager.default.removeItem(atPath: lab.files.lock)
        #expect(chmod(lab.path, 0o444) == 0 && chmod(lab.directory, 0o555) == 0)
        defer { chmod(lab.directory, 0o755) }
        let path = lab.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            if geteuid() == 0 { try #require(setuid(65_534) == 0) }
            let archive = try SQLiteArchive(path: path)
            let words = await failure { try await archive.open() }
            try #require(words?.contains("cache.db.lock: Permission denied") == true)
            let expected = ArchivedRow.policy(try ArchiveContract.sample("there.example"))
            let rows = try await archive.loaded()
            try #require(rows == [expected])
            let export = try SQLiteArchive(path: path, access: .readOnly)
            let row = try await export.row(of: try domain("there.example"))
            try #require(row == expected)
        }
        #expect(try lab.names() == ["cache.db"])
    }
}

import Foundation
import Glibc
import MTASTS
import PolicyCaching
import TestSupport
import Testing

@testable import SQLiteStore

@Suite struct StoreFilesTests {
    let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    @Test func `a file is known by what it is, not by its name`() throws {
        try fixture.write([1])
        let identity = try #require(FileIdentity(of: fixture.path))
        try fixture.write([2])
        #expect(FileIdentity(of: fixture.path) == identity)
        #expect(rename(fixture.path, fixture.path + ".old") == 0)
        #expect(FileIdentity(of: fixture.path) == nil)
        #expect(FileIdentity(of: fixture.path + ".old") == identity)
        try fixture.write([1])
        #expect(FileIdentity(of: fixture.path) != identity)
    }

    @Test func `a file that is there is never created again`() throws {
        try fixture.write([1])
        #expect(throws: StoreError.self) { try fixture.files.create() }
        #expect(try fixture.octets() == Data([1]))
    }

    // MARK: Without the rights. Root has them all, so another process gives them up.

    @Test func `a file that may not be read is an error of every call, and nothing stops`() async throws {
        try await fixture.leave(try StoreContract.sample("there.example"))
        #expect(chmod(fixture.directory, 0o755) == 0 && chmod(fixture.path, 0) == 0)
        #expect(chmod(fixture.files.lock, 0o666) == 0)
        let path = fixture.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            if geteuid() == 0 { try #require(setuid(65_534) == 0) }
            let store = try SQLitePolicyStore(path: path)
            let reason = await failure { try await store.open() }
            try #require(reason?.contains("Let this user read and write it") == true)
            try #require(await failure { try await store.loaded() } == reason)
            try #require(throws: StoreOpenError.self) { try SQLitePolicyStore(path: path, access: .readOnly) }
        }
    }

    @Test func `in a directory that may not be written what is there is read`() async throws {
        let sample = try StoreContract.sample("there.example")
        try await fixture.leave(sample)
        try FileManager.default.removeItem(atPath: fixture.files.lock)
        #expect(chmod(fixture.path, 0o444) == 0 && chmod(fixture.directory, 0o555) == 0)
        defer { chmod(fixture.directory, 0o755) }
        let path = fixture.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            if geteuid() == 0 { try #require(setuid(65_534) == 0) }
            let store = try SQLitePolicyStore(path: path)
            let reason = await failure { try await store.open() }
            try #require(reason?.contains("cache.db.lock: Permission denied") == true)
            let expected = StoredRow.policy(try StoreContract.sample("there.example"))
            let rows = try await store.loaded()
            try #require(rows == [expected])
            let export = try SQLitePolicyStore(path: path, access: .readOnly)
            let row = try await export.row(of: try domain("there.example"))
            try #require(row == expected)
        }
        #expect(try fixture.names() == ["cache.db"])
    }

    // MARK: Free space

    /// Some FUSE file systems report 2^64 - 1 blocks (statvfs(3)).
    @Test(
        arguments: [
            (0, 4_096, 0), (10, 4_096, 40_960), (.max, 4_096, .max), (.max, 1, .max), (1 << 52, 4_096, .max),
            ((1 << 52) - 1, 4_096, .max - 4_095),
        ] as [(UInt64, UInt64, UInt64)])
    func `more octets than fit into the number are the largest number`(blocks: UInt64, size: UInt64, octets: UInt64) {
        #expect(StoreFiles.octets(blocks: blocks, blockSize: size) == octets)
    }
}

import Foundation
import GRDB
import MTASTS
import PolicyService
import Synchronization
import TestSupport
import Testing

@testable import SQLiteArchive

@Suite struct ReadingConnectionTests {
    let lab: ArchiveLab

    init() throws { lab = try ArchiveLab() }

    /// So many policies that they fill some hundred pages.
    private func leaveMany() async throws {
        let archive = try await lab.archive()
        try await archive.commit(
            (0..<2_000).map {
                .keep(try ArchiveContract.sample("d\($0).example", text: [UInt8](repeating: 65, count: 200)))
            })
        await archive.close()
    }

    @Test func `long texts are handed over few at a time`() async throws {
        let archive = try await lab.archive()
        let text = [UInt8](repeating: 1, count: 65_536)
        try await archive.commit((0..<40).map { .keep(try ArchiveContract.sample("d\($0).example", text: text)) })
        let chunks = Mutex<[Int]>([])
        try await archive.load { rows in chunks.withLock { $0.append(rows.count) } }
        #expect(chunks.withLock { $0 } == [16, 16, 8])
        await archive.close()
    }

    // MARK: Damage

    @Test func `what is before a damaged page is read, and nothing is written behind it`() async throws {
        try await leaveMany()
        let size = try lab.octets().count
        try lab.write([UInt8](repeating: 0xA5, count: 4_096), at: UInt64(size / 2 / 4_096 * 4_096))
        let damaged = try lab.octets()
        let archive = try SQLiteArchive(path: lab.path)
        let words = try #require(await failure { try await archive.open() })
        #expect(words.hasSuffix("Mend it (sqlite3 .recover) or move it away; a new one is begun within a minute."))
        #expect(!words.contains("\n"))
        let rows = Mutex<[ArchivedRow]>([])
        let loading = await failure { try await archive.load { chunk in rows.withLock { $0 += chunk } } }
        // The trouble that is known already, in the same words.
        #expect(loading == words)
        let count = rows.withLock(\.count)
        #expect(count > 100 && count < 2_000)
        #expect(await failure { try await archive.keep(try ArchiveContract.sample("new.example")) } == words)
        await archive.close()
        #expect(try lab.octets() == damaged)
    }

    @Test func `damage that is met later ends writing until the file is moved away`() async throws {
        try await leaveMany()
        let archive = try await lab.archive()
        let size = try lab.octets().count
        try lab.write([UInt8](repeating: 0xA5, count: size - 8_192), at: 8_192)
        let sample = try ArchiveContract.sample("new.example")
        #expect(await failure { try await archive.loaded() }?.contains("malformed") == true)
        #expect(await failure { try await archive.keep(sample) }?.contains("it is damaged") == true)
        #expect(await failure { try await archive.open() } != nil)
        #expect(await failure { try await archive.open() } != nil)
        #expect(await failure { try await archive.keep(sample) } != nil)
        try lab.remove("")
        let opening = try await archive.open()
        #expect(opening == .anew)
        try await archive.keep(sample)
        await archive.close()
    }

    @Test func `a truncated file is damaged`() async throws {
        try await leaveMany()
        let size = try lab.octets().count
        for length in [size / 2, 5_000, 100] {
            #expect(truncate(lab.path, length) == 0)
            let archive = try SQLiteArchive(path: lab.path)
            let words = try #require(await failure { try await archive.open() })
            #expect(
                words.hasSuffix("Mend it (sqlite3 .recover) or move it away; a new one is begun within a minute."),
                Comment(rawValue: words))
            #expect(await failure { try await archive.loaded() } != nil)
            await archive.close()
            #expect(try lab.octets().count == length)
        }
    }

    // MARK: Where writing is impossible

    @Test(.enabled(if: Mount.isPossible, "run by Tests/in-namespace"))
    func `on a read-only file system what is there is read, and open says why`() async throws {
        try Mount.tmpfs(lab.directory, "size=4m")
        defer { try? Mount.unmount(lab.directory) }
        let sample = try ArchiveContract.sample("there.example")
        try await lab.leave(sample)
        try Mount.remount(lab.directory, "ro")
        let archive = try SQLiteArchive(path: lab.path)
        let words =
            "Cache file \(lab.path): \(lab.files.lock): Read-only file system. Let this user read and write it, what is "
            + "beside it (-wal, -shm, .lock) and its directory, or set cache.path to another file."
        #expect(await failure { try await archive.open() } == words)
        #expect(await failure { try await archive.keep(sample) } == words)
        let rows = try await archive.loaded()
        #expect(rows == [.policy(sample)])
        let row = try await archive.row(of: sample.domain)
        #expect(row == .policy(sample))
        let export = try SQLiteArchive(path: lab.path, access: .readOnly)
        let exported = try await export.loaded()
        #expect(exported == rows)
        await export.close()
        try Mount.remount(lab.directory, "rw")
        let opening = try await archive.open()
        #expect(opening == .anew)
        try await archive.keep(sample)
        await archive.close()
    }

    @Test(.enabled(if: Mount.isPossible, "run by Tests/in-namespace"))
    func `of a killed daemon's files on a read-only file system only a failure is told`() async throws {
        try Mount.tmpfs(lab.directory, "size=4m")
        defer { try? Mount.unmount(lab.directory) }
        try await lab.leave(try ArchiveContract.sample("old.example"))
        let daemon = try await lab.archive()
        try await daemon.keep(try ArchiveContract.sample("new.example"))
        let copy = lab.directory + "/copy.db"
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: lab.path + suffix, toPath: copy + suffix)
        }
        await daemon.close()
        try Mount.remount(lab.directory, "ro")
        // What is in the log would be missing: better nothing than an old state.
        let archive = try SQLiteArchive(path: copy)
        #expect(await failure { try await archive.open() } != nil)
        #expect(await failure { try await archive.loaded() } != nil)
        await archive.close()
    }
}

import Foundation
import GRDB
import MTASTS
import PolicyCaching
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

@Suite struct ReadingConnectionTests {
    let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    /// So many policies that they fill some hundred pages.
    private func leaveMany() async throws {
        let store = try await fixture.store()
        try await store.commit(
            (0..<2_000).map {
                .savePolicy(try StoreContract.sample("d\($0).example", text: [UInt8](repeating: 65, count: 200)))
            })
        await store.close()
    }

    @Test func `long texts are handed over few at a time`() async throws {
        let store = try await fixture.store()
        let text = [UInt8](repeating: 1, count: 65_536)
        try await store.commit((0..<40).map { .savePolicy(try StoreContract.sample("d\($0).example", text: text)) })
        let chunks = Mutex<[Int]>([])
        try await store.load { rows in chunks.withLock { $0.append(rows.count) } }
        #expect(chunks.withLock { $0 } == [16, 16, 8])
        await store.close()
    }

    // MARK: Damage

    @Test func `what is before a damaged page is read, and nothing is written behind it`() async throws {
        try await leaveMany()
        let size = try fixture.octets().count
        try fixture.write([UInt8](repeating: 0xA5, count: 4_096), at: UInt64(size / 2 / 4_096 * 4_096))
        let damaged = try fixture.octets()
        let store = try SQLitePolicyStore(path: fixture.path)
        let reason = try #require(await failure { try await store.open() })
        #expect(
            reason.hasSuffix("Repair it (sqlite3 .recover) or move it away; a new file is created within a minute."))
        #expect(!reason.contains("\n"))
        let rows = Mutex<[StoredRow]>([])
        let loading = await failure { try await store.load { chunk in rows.withLock { $0 += chunk } } }
        // The error that is known already, with the same text.
        #expect(loading == reason)
        let count = rows.withLock(\.count)
        #expect(count > 100 && count < 2_000)
        #expect(await failure { try await store.keep(try StoreContract.sample("new.example")) } == reason)
        await store.close()
        #expect(try fixture.octets() == damaged)
    }

    @Test func `damage that is met later ends writing until the file is moved away`() async throws {
        try await leaveMany()
        let store = try await fixture.store()
        let size = try fixture.octets().count
        try fixture.write([UInt8](repeating: 0xA5, count: size - 8_192), at: 8_192)
        let sample = try StoreContract.sample("new.example")
        #expect(await failure { try await store.loaded() }?.contains("malformed") == true)
        #expect(await failure { try await store.keep(sample) }?.contains("it is damaged") == true)
        #expect(await failure { try await store.open() } != nil)
        #expect(await failure { try await store.open() } != nil)
        #expect(await failure { try await store.keep(sample) } != nil)
        try fixture.remove("")
        let opening = try await store.open()
        #expect(opening == .anew)
        try await store.keep(sample)
        await store.close()
    }

    @Test func `a truncated file is damaged`() async throws {
        try await leaveMany()
        let size = try fixture.octets().count
        for length in [size / 2, 5_000, 100] {
            #expect(truncate(fixture.path, length) == 0)
            let store = try SQLitePolicyStore(path: fixture.path)
            let reason = try #require(await failure { try await store.open() })
            #expect(
                reason.hasSuffix("a new file is created within a minute."),
                Comment(rawValue: reason))
            #expect(await failure { try await store.loaded() } != nil)
            await store.close()
            #expect(try fixture.octets().count == length)
        }
    }

    // MARK: Where writing is impossible

    @Test(.enabled(if: Mount.isPossible, "run by Tests/in-namespace"))
    func `on a read-only file system what is there is read, and open says why`() async throws {
        try Mount.tmpfs(fixture.directory, options: "size=4m")
        defer { try? Mount.unmount(fixture.directory) }
        let sample = try StoreContract.sample("there.example")
        try await fixture.leave(sample)
        try Mount.remount(fixture.directory, options: "ro")
        let store = try SQLitePolicyStore(path: fixture.path)
        let reason =
            "Cache file \(fixture.path): \(fixture.files.lock): Read-only file system. Let this user read and write it, the files "
            + "beside it (-wal, -shm, .lock) and its directory, or set cache.path to another file."
        #expect(await failure { try await store.open() } == reason)
        #expect(await failure { try await store.keep(sample) } == reason)
        let rows = try await store.loaded()
        #expect(rows == [.policy(sample)])
        let row = try await store.row(of: sample.domain)
        #expect(row == .policy(sample))
        let export = try SQLitePolicyStore(path: fixture.path, access: .readOnly)
        let exported = try await export.loaded()
        #expect(exported == rows)
        await export.close()
        try Mount.remount(fixture.directory, options: "rw")
        let opening = try await store.open()
        #expect(opening == .anew)
        try await store.keep(sample)
        await store.close()
    }

    @Test(.enabled(if: Mount.isPossible, "run by Tests/in-namespace"))
    func `of a killed daemon's files on a read-only file system only an error is returned`() async throws {
        try Mount.tmpfs(fixture.directory, options: "size=4m")
        defer { try? Mount.unmount(fixture.directory) }
        try await fixture.leave(try StoreContract.sample("old.example"))
        let daemon = try await fixture.store()
        try await daemon.keep(try StoreContract.sample("new.example"))
        let copy = fixture.directory + "/copy.db"
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: fixture.path + suffix, toPath: copy + suffix)
        }
        await daemon.close()
        try Mount.remount(fixture.directory, options: "ro")
        // What is in the log would be missing: better nothing than an old state.
        let store = try SQLitePolicyStore(path: copy)
        #expect(await failure { try await store.open() } != nil)
        #expect(await failure { try await store.loaded() } != nil)
        await store.close()
    }
}

import Foundation
import MTASTS
import PolicyCaching
import PolicyRuntime
import TestSupport
import TextFormats
import Testing

@testable import SQLiteStore

/// A large file at the start: it is read before it is checked, and written only after that.
@Suite struct UncheckedStoreTests {
    let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    private func unchecked() throws -> SQLitePolicyStore {
        try SQLitePolicyStore(path: fixture.path, checkedAtOnce: 0)
    }

    @Test func `it answers before it is opened, and goes on with the same readers`() async throws {
        try await fixture.leave(try StoreContract.sample("old.example"))
        let before = try fixture.octets()
        let store = try unchecked()
        #expect(try await store.row(of: try domain("old.example")) != nil)
        #expect(try await store.loaded().count == 1)
        #expect(try await store.overrides() == [])
        #expect(try fixture.octets() == before)
        #expect(try await store.open() == .anew)
        #expect(try await store.open() == .unchanged)
        try await store.keep(try StoreContract.sample("new.example"))
        #expect(try await store.row(of: try domain("new.example")) != nil)
        #expect(try await store.loaded().count == 2)
        await store.close()
        #expect(try await fixture.store().loaded().count == 2)
    }

    @Test func `a change before it is opened checks it first`() async throws {
        try await fixture.leave(try StoreContract.sample("old.example"))
        let store = try unchecked()
        try await store.keep(try StoreContract.sample("new.example"))
        #expect(try await store.open() == .anew)
        await store.close()
        #expect(try await fixture.store().loaded().count == 2)
    }

    @Test func `a damaged file is read as far as possible, and not written`() async throws {
        try await fixture.leave(try StoreContract.sample("old.example"))
        let size = try fixture.octets().count
        // The header counts pages that the file does not have.
        try fixture.write([0, 0, 0xFF, 0], at: 28)
        let damaged = try fixture.octets()
        let store = try unchecked()
        let reason = await failure { try await store.open() }
        #expect(reason != nil)
        let sample = try StoreContract.sample("new.example")
        #expect(await failure { try await store.keep(sample) } == reason)
        #expect(try fixture.octets() == damaged)
        #expect(damaged.count == size)
        await store.close()
    }

    @Test func `a change by another process before it is opened is noticed`() async throws {
        try await fixture.leave(try StoreContract.sample("old.example"))
        let store = try unchecked()
        let other = try await fixture.store()
        try await other.keep(try StoreContract.sample("new.example"))
        _ = try await store.open()
        let first = try await store.otherProcesses(since: nil)
        #expect(first.haveChangedStore)
        #expect(try await !store.otherProcesses(since: first.version).haveChangedStore)
        await other.close()
        await store.close()
    }

    @Test func `without a change by another process none is noticed`() async throws {
        try await fixture.leave(try StoreContract.sample("old.example"))
        let store = try unchecked()
        _ = try await store.open()
        #expect(try await !store.otherProcesses(since: nil).haveChangedStore)
        await store.close()
    }

    @Test func `a file that is replaced before it is opened is read again from the start`() async throws {
        try await fixture.leave(try StoreContract.sample("old.example"))
        let store = try unchecked()
        try FileManager.default.moveItem(atPath: fixture.path, toPath: fixture.path + ".away")
        #expect(try await store.open() == .anew)
        #expect(try await store.loaded() == [])
        await store.close()
    }

    @Test func `the log of a file that is replaced before it is opened is not applied to the new file`() async throws {
        try await fixture.leave(try StoreContract.sample("new.example"))
        let replacement = try fixture.octets()
        try await fixture.leave(try StoreContract.sample("old.example"))
        // A process that was killed leaves a log.
        let killed = try fixture.other()
        try await killed.writeWithoutTransaction {
            try $0.execute(sql: "UPDATE policy SET fetched_at = fetched_at + 1")
        }
        let log = try fixture.octets(fixture.path + "-wal")
        #expect(!log.isEmpty)
        let store = try unchecked()
        try FileManager.default.moveItem(atPath: fixture.path, toPath: fixture.path + ".away")
        try fixture.write(replacement)
        #expect(try await store.open() == .anew)
        #expect(try await store.row(of: try domain("new.example")) != nil)
        #expect(try await store.loaded().count == 1)
        await store.close()
        try killed.close()
    }

    /// The readers of such a file would not see the tables that are added, or would be in the way of the change.
    @Test(arguments: ["DELETE FROM grdb_migrations WHERE identifier = '3 clock'", "PRAGMA journal_mode = DELETE"])
    func `a file that needs set-up is opened and checked at once`(_ sql: String) async throws {
        try await fixture.leave(try StoreContract.sample("old.example"))
        try fixture.change(sql)
        let opener = StoreOpener(files: fixture.files, author: 1, voidsRemovals: false)
        var lock: StoreLock?
        #expect(opener.openUnchecked(from: 0, lock: &lock) == nil)
    }

    @Test func `a file that is set up is opened without a check`() async throws {
        try await fixture.leave(try StoreContract.sample("old.example"))
        let opener = StoreOpener(files: fixture.files, author: 1, voidsRemovals: false)
        var lock: StoreLock?
        let readers = try #require(opener.openUnchecked(from: 0, lock: &lock))
        readers.close()
    }
}

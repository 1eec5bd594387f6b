import Foundation
import Glibc
import MTASTS
import PolicyCaching
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

@Suite struct SQLitePolicyStoreTests {
    let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    @Test func `it keeps the contract`() async throws {
        let violations = try await StoreContract(try SQLitePolicyStore(path: fixture.path)).violations()
        #expect(violations == [])
    }

    @Test func `its fake keeps the contract`() async throws {
        let violations = try await StoreContract(MemoryPolicyStore()).violations()
        #expect(violations == [])
    }

    @Test func `what was kept survives closing and opening`() async throws {
        let samples = try StoreContract.samples()
        let store = try await fixture.store()
        try await store.commit(samples.map(StoreChange.savePolicy))
        await store.close()
        #expect(try fixture.names() == ["cache.db", "cache.db.lock"])
        let reopened = try await fixture.store()
        let rows = try await reopened.loaded()
        #expect(rows.count == samples.count)
        #expect(samples.allSatisfy { rows.contains(.policy($0)) })
        await reopened.close()
    }

    @Test func `one file has one lock, whatever its names`() async throws {
        let store = try await fixture.store()
        let alias = fixture.directory + "/alias.db"
        try FileManager.default.createSymbolicLink(atPath: alias, withDestinationPath: "cache.db")
        let other = try SQLitePolicyStore(path: alias)
        #expect(other.otherProcessIDs == [getpid()])
        await other.close()
        #expect(store.otherProcessIDs == [])
        await store.close()
    }

    @Test func `a link to a file that is not there yet begins that file`() async throws {
        try FileManager.default.createSymbolicLink(atPath: fixture.path, withDestinationPath: "elsewhere.db")
        let store = try await fixture.store()
        try await store.keep(try StoreContract.sample("linked.example"))
        await store.close()
        #expect(FileManager.default.fileExists(atPath: fixture.directory + "/elsewhere.db"))
        let rows = try await fixture.store().loaded()
        #expect(rows.count == 1)
    }

    @Test func `a disk that does not answer blocks no caller for ever`() async throws {
        let store = try SQLitePolicyStore(path: fixture.path, timeout: .milliseconds(50))
        _ = try await store.open()
        let disk = DispatchSemaphore(value: 0)
        store.changes.async { disk.wait() }
        let silent = StoreErrorMessage(fixture.path).timedOut(after: .milliseconds(50))
        let sample = try StoreContract.sample("silent.example")
        await #expect(throws: silent) { try await store.keep(sample) }
        await store.close()
        disk.signal()
    }

    @Test func `a killed process loses nothing that it committed`() async throws {
        let path = fixture.path
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let store = try SQLitePolicyStore(path: path)
            _ = try await store.open()
            for number in 0..<50 {
                try await store.keep(try StoreContract.sample("killed\(number).example"))
            }
            kill(getpid(), SIGKILL)
        }
        // Nothing was put into the database itself yet.
        #expect(FileManager.default.fileExists(atPath: path + "-wal"))
        let store = try await fixture.store()
        let rows = try await store.loaded()
        #expect(rows.count == 50)
        await store.close()
    }

    @Test func `a copy of the files of a running store is complete`() async throws {
        let store = try await fixture.store()
        let sample = try StoreContract.sample("copied.example")
        try await store.keep(sample)
        let copy = try StoreFixture()
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: fixture.path + suffix, toPath: copy.path + suffix)
        }
        await store.close()
        let second = try await copy.store()
        let row = try await second.row(of: sample.domain)
        #expect(row == .policy(sample))
        await second.close()
    }

    @Test func `a store that is released without being closed releases its file`() async throws {
        let sample = try StoreContract.sample("left.example")
        do {
            let store = try await fixture.store()
            try await store.keep(sample)
        }
        let store = try await fixture.store()
        let row = try await store.row(of: sample.domain)
        #expect(row == .policy(sample))
        await store.close()
    }

    @Test func `a closed one fails whatever is asked of it`() async throws {
        let store = try await fixture.store()
        let sample = try StoreContract.sample("late.example")
        await store.close()
        await store.close()
        let reason = "Cache file \(fixture.path): it is closed. Start the daemon again."
        #expect(await failure { try await store.open() } == reason)
        #expect(await failure { try await store.loaded() } == reason)
        #expect(await failure { try await store.row(of: sample.domain) } == reason)
        #expect(await failure { try await store.keep(sample) } == reason)
        #expect(await failure { try await store.purge(at: sample.fetchedAt, grace: .zero) } == reason)
        #expect(try fixture.names() == ["cache.db", "cache.db.lock"])
    }

    @Test func `100,000 policies are loaded, some hundred at a time`() async throws {
        let store = try await fixture.store()
        for first in stride(from: 0, to: 100_000, by: 10_000) {
            try await store.commit(
                (first..<first + 10_000).map { .savePolicy(try StoreContract.sample("d\($0).example", id: "\($0)")) })
        }
        let seen = Mutex<(domains: Set<PolicyDomain>, wrong: Int, chunks: [Int])>(([], 0, []))
        try await store.load { rows in
            seen.withLock { seen in
                seen.chunks.append(rows.count)
                for row in rows {
                    guard case .policy(let policy) = row, policy.domain.name.text == "d\(policy.id).example" else {
                        seen.wrong += 1
                        continue
                    }
                    seen.domains.insert(policy.domain)
                }
            }
        }
        let (domains, wrong, chunks) = seen.withLock { $0 }
        #expect(domains.count == 100_000)
        #expect(wrong == 0)
        #expect(chunks == [Int](repeating: 500, count: 200))
        await store.close()
    }

    @Test func `changes are made while everything is being loaded`() async throws {
        let store = try await fixture.store()
        try await store.commit((0..<2_000).map { .savePolicy(try StoreContract.sample("d\($0).example")) })
        let late = try StoreContract.sample("late.example")
        let (chunks, arrived) = AsyncStream<Int>.makeStream()
        let loading = Task {
            try await store.load { rows in
                arrived.yield(rows.count)
                // Until the change is made; on a thread that is there to be blocked.
                if rows.count == 500 { self.wait(until: store, has: late) }
            }
            arrived.finish()
        }
        var loaded = 0
        for await count in chunks {
            if loaded == 0 { try await store.keep(late) }
            loaded += count
        }
        try await loading.value
        #expect(loaded == 2_000)
        await store.close()
    }

    private func wait(until store: SQLitePolicyStore, has policy: StoredPolicy) {
        let done = DispatchSemaphore(value: 0)
        Task {
            while (try? await store.row(of: policy.domain)) == nil, !Task.isCancelled { await Task.yield() }
            done.signal()
        }
        done.wait()
    }

    @Test func `a cancelled task leaves no change half-way and no change undone`() async throws {
        let store = try await fixture.store()
        let sample = try StoreContract.sample("cancelled.example")
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await store.keep(sample)
            return try await store.row(of: sample.domain)
        }
        let row = try await task.value
        #expect(row == .policy(sample))
        await store.close()
    }

    @Test func `whatever comes at the same time, every call ends, and well or with a failure`() async throws {
        let store = try await fixture.store()
        let samples = try (0..<200).map { try StoreContract.sample("d\($0).example") }
        let fixture = fixture
        await withTaskGroup(of: Void.self) { group in
            for round in 0..<100 {
                let sample = samples[round]
                group.addTask { _ = await failure { try await store.commit(samples.map(StoreChange.savePolicy)) } }
                group.addTask { _ = await failure { try await store.row(of: sample.domain) } }
                group.addTask { _ = await failure { try await store.loaded() } }
                group.addTask { _ = await failure { try await store.purge(at: sample.expiresAt, grace: .zero) } }
                group.addTask { _ = await failure { try await store.open() } }
                if round.isMultiple(of: 10) { group.addTask { try? fixture.remove("") } }
            }
        }
        _ = try await store.open()
        try await store.keep(samples[0])
        let row = try await store.row(of: samples[0].domain)
        #expect(row == .policy(samples[0]))
        await store.close()
    }

    // MARK: Read only

    @Test func `an export reads beside a running daemon and disturbs nothing`() async throws {
        let daemon = try await fixture.store()
        let first = try StoreContract.sample("first.example")
        try await daemon.keep(first)
        let export = try SQLitePolicyStore(path: fixture.path, access: .readOnly)
        let opening = try await export.open()
        #expect(opening == .anew)
        let loaded = try await export.loaded()
        #expect(loaded == [.policy(first)])
        let second = try StoreContract.sample("second.example")
        try await daemon.keep(second)
        let row = try await export.row(of: second.domain)
        #expect(row == .policy(second))
        #expect(await failure { try await export.keep(first) }?.contains("for reading only") == true)
        #expect(
            await failure { try await export.purge(at: first.fetchedAt, grace: .zero) }?.contains("for reading only")
                == true)
        let again = try await export.open()
        #expect(again == .unchanged)
        await export.close()
        try await daemon.keep(first)
        let unchanged = try await daemon.open()
        #expect(unchanged == .unchanged)
        await daemon.close()
        #expect(try fixture.names() == ["cache.db", "cache.db.lock"])
    }

    @Test func `an export of a store at rest does not change its file`() async throws {
        try await fixture.leave(try StoreContract.sample("rest.example"))
        let before = try fixture.octets()
        let export = try SQLitePolicyStore(path: fixture.path, access: .readOnly)
        let rows = try await export.loaded()
        #expect(rows.count == 1)
        await export.close()
        #expect(try fixture.octets() == before)
        // And a daemon finds its way after it.
        let daemon = try await fixture.store()
        await daemon.close()
    }
}

import Foundation
import Glibc
import MTASTS
import PolicyCaching
import PolicyRuntime
import TestSupport
import TextFormats
import Testing

@testable import SQLiteStore

/// Several processes write one file.
@Suite struct SharedStoreTests {
    let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    private func policy(
        _ name: String, id: String, fetchedAt: Int64, previousFetchedAt: Int64? = nil
    ) throws -> StoredPolicy {
        StoredPolicy(
            domain: try domain(name), text: Array(policyText().utf8), id: try recordID(id),
            fetchedAt: WallTime(milliseconds: fetchedAt),
            expiresAt: WallTime(milliseconds: max(fetchedAt, previousFetchedAt ?? fetchedAt) + 604_800_000),
            lastLookupAt: WallTime(milliseconds: 0),
            previousFetchedAt: previousFetchedAt.map { WallTime(milliseconds: $0) })
    }

    private func id(of name: String, in store: SQLitePolicyStore) async throws -> String? {
        guard case .policy(let policy)? = try await store.row(of: try domain(name)) else { return nil }
        return policy.id.text
    }

    @Test func `two stores write the same file at once and lose nothing`() async throws {
        let (first, second) = (try await fixture.store(), try await fixture.store())
        await withTaskGroup(of: Void.self) { group in
            for (name, store) in [("a", first), ("b", second)] {
                for task in 0..<4 {
                    group.addTask {
                        for number in 0..<100 {
                            let reason = await failure {
                                try await store.keep(try StoreContract.sample("d\(number).\(name)\(task).example"))
                            }
                            #expect(reason == nil)
                        }
                    }
                }
            }
        }
        for store in [first, second] { #expect(try await store.loaded().count == 800) }
        await first.close()
        // The first one to close leaves SQLite's files to the other one.
        try await second.keep(try StoreContract.sample("last.example"))
        await second.close()
        #expect(try await fixture.store().loaded().count == 801)
    }

    @Test func `several processes that create the file at once set it up once`() async throws {
        let path = fixture.path
        try await withThrowingTaskGroup(of: String?.self) { group in
            for number in 0..<8 {
                group.addTask {
                    let store = try SQLitePolicyStore(path: path)
                    let reason = await failure { try await store.open() }
                    if reason == nil { try await store.keep(try StoreContract.sample("d\(number).example")) }
                    await store.close()
                    return reason
                }
            }
            for try await reason in group { #expect(reason == nil) }
        }
        #expect(try await fixture.store().loaded().count == 8)
    }

    @Test func `an earlier fetch does not replace a later one`() async throws {
        let (first, second) = (try await fixture.store(), try await fixture.store())
        let name = "shared.example"
        try await first.keep(try policy(name, id: "2", fetchedAt: 2_000))
        try await second.keep(try policy(name, id: "1", fetchedAt: 1_999))
        #expect(try await id(of: name, in: second) == "2")
        // The same fetch: what changed since, such as a failed refresh, is written.
        try await second.keep(try policy(name, id: "2b", fetchedAt: 2_000))
        #expect(try await id(of: name, in: first) == "2b")
        try await second.keep(try policy(name, id: "3", fetchedAt: 2_001))
        #expect(try await id(of: name, in: first) == "3")
        await first.close()
        await second.close()
    }

    /// At the first fetch the clock was ahead, or it is behind since.
    @Test func `a fetch that knows an earlier one in the future replaces it, and is not replaced by it`() async throws {
        let store = try await fixture.store()
        let name = "clock.example"
        let future = try policy(name, id: "1", fetchedAt: 9_000)
        let then = try policy(name, id: "2", fetchedAt: 3_000, previousFetchedAt: 9_000)
        let last = try policy(name, id: "3", fetchedAt: 3_500, previousFetchedAt: 9_000)
        try await store.keep(future)
        try await store.keep(then)
        #expect(try await id(of: name, in: store) == "2")
        try await store.keep(future)
        #expect(try await id(of: name, in: store) == "2")
        try await store.keep(last)
        try await store.keep(then)
        #expect(try await id(of: name, in: store) == "3")
        // The clock has passed the first fetch.
        try await store.keep(try policy(name, id: "4", fetchedAt: 9_001))
        #expect(try await id(of: name, in: store) == "4")
        await store.close()
    }

    @Test func `a row with an impossible time is replaced`() async throws {
        let name = "impossible.example"
        try await fixture.leave(try policy(name, id: "1", fetchedAt: 1_000))
        for change in ["fetched_at = 9223372036854775807", "previous_fetched_at = 9223372036854775807"] {
            try fixture.change("UPDATE policy SET \(change)")
            let store = try await fixture.store()
            try await store.keep(try policy(name, id: "2", fetchedAt: 1_000))
            #expect(try await id(of: name, in: store) == "2")
            await store.close()
        }
    }

    @Test func `a removed policy is not written again by a process that still has it`() async throws {
        let (first, second) = (try await fixture.store(), try await fixture.store())
        let name = "removed.example"
        let policy = try policy(name, id: "1", fetchedAt: 5_000)
        try await first.keep(policy)
        try await second.commit([.removePolicy(policy.domain)])
        try await first.keep(policy)
        #expect(try await id(of: name, in: first) == nil)
        // A later fetch is written, and so is any fetch of the process that removed the policy: its clock may be behind now.
        try await second.keep(try self.policy(name, id: "2", fetchedAt: 4_000))
        #expect(try await id(of: name, in: first) == "2")
        try await first.keep(try self.policy(name, id: "3", fetchedAt: 5_001))
        #expect(try await id(of: name, in: first) == "3")
        await first.close()
        await second.close()
    }

    @Test func `a fetch after the removal is written, even if the clock was ahead at the removed fetch`() async throws {
        let (first, second) = (try await fixture.store(), try await fixture.store())
        let name = "ahead.example"
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        let ahead = try policy(name, id: "1", fetchedAt: now + 3_600_000)
        try await first.keep(ahead)
        try await second.commit([.removePolicy(ahead.domain)])
        try await first.keep(ahead)
        try await first.keep(try policy(name, id: "0", fetchedAt: now - 3_600_000))
        #expect(try await id(of: name, in: first) == nil)
        // Half an hour: the removal happens at the real time, which may be minutes later on a busy machine.
        try await first.keep(try policy(name, id: "2", fetchedAt: now + 1_800_000))
        #expect(try await id(of: name, in: first) == "2")
        await first.close()
        await second.close()
    }

    @Test func `a fetch after a removal by the same process is written, even if the clock was ahead`() async throws {
        let store = try await fixture.store()
        let name = "ahead.example"
        try await store.keep(try policy(name, id: "1", fetchedAt: 9_000))
        try await store.commit([
            .removePolicy(try domain(name)), .savePolicy(try policy(name, id: "2", fetchedAt: 8_000)),
        ])
        #expect(try await id(of: name, in: store) == "2")
        await store.close()
    }

    // MARK: Overrides

    private func override(_ name: String, since: Int64, until: Int64? = nil) throws -> Override {
        try testOverride(
            .pin([]), of: name, since: WallTime(milliseconds: since), until: until.map { WallTime(milliseconds: $0) })
    }

    private func overrides(_ store: SQLitePolicyStore) async throws -> [Override] {
        try await store.overrides().compactMap { row in
            if case .override(let override) = row { override } else { nil }
        }
    }

    /// The first process could not write for a while, and writes what it has from before.
    @Test func `an override written late replaces neither a later one nor a removal of another process`() async throws {
        let (first, second) = (try await fixture.store(), try await fixture.store())
        let (old, new) = (try override("a.example", since: 1_000), try override("a.example", since: 2_000))
        try await second.commit([.setOverride(new)])
        try await first.commit([.setOverride(old)])
        #expect(try await overrides(second) == [new])
        try await first.commit([.removeOverride(old.domain, at: WallTime(milliseconds: 1_500))])
        #expect(try await overrides(second) == [new])
        try await second.commit([.removeOverride(new.domain, at: WallTime(milliseconds: 3_000))])
        for late in [old, new] {
            try await first.commit([.setOverride(late)])
            #expect(try await overrides(second) == [])
        }
        let last = try override("a.example", since: 3_000)
        try await first.commit([.setOverride(last)])
        #expect(try await overrides(second) == [last])
        await first.close()
        await second.close()
    }

    @Test func `observe mode written late does not replace a later change of another process`() async throws {
        let (first, second) = (try await fixture.store(), try await fixture.store())
        let (old, new) = (
            ObserveModeChange(isOn: true, author: "a", since: WallTime(milliseconds: 1_000)),
            ObserveModeChange(isOn: false, author: "b", since: WallTime(milliseconds: 2_000))
        )
        try await second.commit([.observe(new)])
        try await first.commit([.observe(old)])
        #expect(try await second.overrides() == [.observe(new)])
        await first.close()
        await second.close()
    }

    @Test func `the retention of an override ends for this override only`() async throws {
        let (first, second) = (try await fixture.store(), try await fixture.store())
        let ended = try override("a.example", since: 1_000, until: 2_000)
        let new = try override("a.example", since: 5_000)
        try await first.commit([.setOverride(ended)])
        try await second.commit([.setOverride(new)])
        try await first.commit([.dropOverride(ended)])
        #expect(try await overrides(first) == [new])
        try await first.commit([.dropOverride(new)])
        #expect(try await overrides(second) == [])
        await first.close()
        await second.close()
    }

    @Test func `the operator's command replaces a change by a clock that was ahead`() async throws {
        let store = try await fixture.store()
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        let (ahead, present) = (
            try override("a.example", since: now + 3_600_000), try override("a.example", since: now - 1_000)
        )
        try await store.commit([.setOverride(ahead), .setOverride(present)])
        #expect(try await overrides(store) == [present])
        try await store.commit([.setOverride(ahead), .removeOverride(ahead.domain, at: present.since)])
        #expect(try await overrides(store) == [])
        try await store.commit([.removeOverride(ahead.domain, at: ahead.since), .setOverride(present)])
        #expect(try await overrides(store) == [present])
        let observing = [ahead.since, present.since].map { ObserveModeChange(isOn: true, author: "a", since: $0) }
        try await store.commit(observing.map(StoreChange.observe))
        #expect(try await store.overrides().contains(.observe(observing[1])))
        await store.close()
    }

    @Test func `the removal of an override is kept for a month`() async throws {
        let store = try await fixture.store()
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        let override = try override("a.example", since: now - 2_000)
        try await store.commit([.removeOverride(override.domain, at: WallTime(milliseconds: now - 1_000))])
        for (days, count) in [(29, 0), (31, 1)] as [(Int64, Int)] {
            _ = try await store.purge(at: WallTime(milliseconds: now + days * 86_400_000), grace: .zero)
            try await store.commit([.setOverride(override)])
            #expect(try await overrides(store).count == count)
        }
        await store.close()
    }

    /// A build that does not know the table has written the file.
    @Test func `a file without the table of removed overrides gets it`() async throws {
        try await fixture.leave()
        try fixture.change("DROP TABLE override_removal")
        let store = try await fixture.store()
        let override = try override("a.example", since: 1_000)
        try await store.commit([.removeOverride(override.domain, at: WallTime(milliseconds: 2_000))])
        try await store.commit([.setOverride(override)])
        #expect(try await overrides(store) == [])
        await store.close()
    }

    // MARK: Evictions, imports and other processes

    @Test func `an eviction leaves a later fetch of another process`() async throws {
        let (first, second) = (try await fixture.store(), try await fixture.store())
        let name = "evicted.example"
        let old = try policy(name, id: "1", fetchedAt: 1_000)
        try await first.keep(old)
        try await second.keep(try policy(name, id: "2", fetchedAt: 2_000))
        try await first.commit([.evictPolicy(old.domain, fetchedAt: old.fetchedAt)])
        #expect(try await id(of: name, in: first) == "2")
        try await second.commit([.evictPolicy(old.domain, fetchedAt: WallTime(milliseconds: 2_000))])
        #expect(try await id(of: name, in: first) == nil)
        await first.close()
        await second.close()
    }

    /// The evicted policy replaced a change that was not written yet.
    @Test func `an eviction removes an earlier fetch, so that it does not apply after a restart`() async throws {
        let store = try await fixture.store()
        let name = try domain("evicted.example")
        try await store.keep(try policy("evicted.example", id: "1", fetchedAt: 1_000))
        try await store.commit([.evictPolicy(name, fetchedAt: WallTime(milliseconds: 2_000))])
        #expect(try await id(of: "evicted.example", in: store) == nil)
        // The clock was ahead at the earlier of two fetches.
        try await store.keep(try policy("evicted.example", id: "2", fetchedAt: 3_000, previousFetchedAt: 9_000))
        try await store.commit([.evictPolicy(name, fetchedAt: WallTime(milliseconds: 9_000))])
        #expect(try await id(of: "evicted.example", in: store) == nil)
        await store.close()
    }

    @Test func `an import writes a policy that another process has removed, and no process removes it again`()
        async throws
    {
        let daemon = try await fixture.store()
        let policy = try policy("imported.example", id: "1", fetchedAt: 1_000)
        try await daemon.keep(policy)
        try await daemon.commit([.removePolicy(policy.domain)])
        let command = try SQLitePolicyStore(path: fixture.path, access: .importing)
        _ = try await command.open()
        try await command.keep(policy)
        #expect(try await command.otherProcesses(since: nil).removals == [])
        await command.close()
        #expect(try await id(of: "imported.example", in: daemon) == "1")
        let other = try await fixture.store()
        try await other.keep(policy)
        #expect(try await id(of: "imported.example", in: daemon) == "1")
        await other.close()
        await daemon.close()
    }

    @Test func `a process sees the other one, its changes and its removals, and not its own`() async throws {
        let first = try await fixture.store()
        let start = try await first.otherProcesses(since: nil)
        #expect(start.ids == [])
        #expect(!start.haveChangedStore)
        try await first.keep(try policy("own.example", id: "1", fetchedAt: 1_000))
        try await first.commit([.removePolicy(try domain("own.example"))])
        #expect(try await first.otherProcesses(since: start.version) == start)

        let second = try await fixture.store()
        try await second.keep(try policy("other.example", id: "1", fetchedAt: 1_000))
        let shared = try await first.otherProcesses(since: start.version)
        #expect(shared.ids == [getpid()])
        #expect(shared.haveChangedStore)
        #expect(shared.removals == [])
        #expect(try await !first.otherProcesses(since: shared.version).haveChangedStore)

        try await second.commit([.removePolicy(try domain("other.example"))])
        let removed = try await first.otherProcesses(since: shared.version)
        let removal = try #require(removed.removals.first)
        #expect(removed.removals.count == 1)
        #expect(removal.domain == (try domain("other.example")))
        #expect(removal.fetchedAt == WallTime(milliseconds: 1_000))
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        #expect((now - 600_000...now + 1_000).contains(removal.removedAt.milliseconds))
        await second.close()
        #expect(try await first.otherProcesses(since: removed.version).ids == [])
        await first.close()
    }

    @Test func `changes between opening and the first look are noticed`() async throws {
        let first = try await fixture.store()
        let second = try await fixture.store()
        try await second.keep(try policy("early.example", id: "1", fetchedAt: 1_000))
        #expect(try await first.otherProcesses(since: nil).haveChangedStore)
        await first.close()
        await second.close()
    }

    @Test func `removals are kept for a day`() async throws {
        let first = try await fixture.store()
        try await first.keep(try policy("old.example", id: "1", fetchedAt: 1_000))
        try await first.commit([.removePolicy(try domain("old.example"))])
        let now = WallTime(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
        for (hours, count) in [(1, 1), (25, 0)] as [(Int64, Int)] {
            _ = try await first.purge(at: WallTime(milliseconds: now.milliseconds + hours * 3_600_000), grace: .zero)
            let second = try await fixture.store()
            try await first.keep(try policy("change\(hours).example", id: "1", fetchedAt: 1_000))
            #expect(try await second.otherProcesses(since: nil).removals.count == count)
            await second.close()
        }
        await first.close()
    }

    @Test func `a killed process loses nothing that it committed beside another one`() async throws {
        let (path, first) = (fixture.path, try await fixture.store())
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let second = try SQLitePolicyStore(path: path)
            _ = try await second.open()
            for number in 0..<50 { try await second.keep(try StoreContract.sample("killed\(number).example")) }
            kill(getpid(), SIGKILL)
        }
        try await first.keep(try StoreContract.sample("first.example"))
        #expect(try await first.loaded().count == 51)
        #expect(first.otherProcessIDs == [])
        await first.close()
        #expect(try await fixture.store().loaded().count == 51)
    }
}

import MTASTS
import MetricsTestKit
import Synchronization
import Testing
import TestSupport
import TextFormats

@testable import PolicyCaching
@testable import PolicyRuntime

@Suite(.timeLimit(.minutes(5))) struct StoreWriterTests {
    private let store = MemoryPolicyStore()
    private let clock = ManualTime()
    private let log = LogRecorder()
    private let metrics = TestMetrics()
    private let writer: StoreWriter

    init() {
        let health = StoreHealth(
            log: EventLogger(logger: log.logger()), metrics: metrics)
        let clock = clock
        writer = StoreWriter(store, health: health) { try await clock.sleep($0) }
    }

    @Test func `changes during a commit form one batch`() async throws {
        let gate = store.pauseCommits()
        let changes = try (1...50).map { StoreChange.savePolicy(try storedPolicy("d\($0).example", at: clock.now)) }
        await run {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await writer.commit(changes[0]) }
                await gate.arrivals()
                for change in changes.dropFirst() { group.addTask { await writer.commit(change) } }
                while changes.contains(where: { writer.pending($0.subject) == nil }), !Task.isCancelled {
                    await Task.yield()
                }
                gate.open()
            }
        }
        #expect(store.commits.map(\.count) == [1, 49])
    }

    @Test func `of several changes of a domain, the last one counts`() async throws {
        let gate = store.pauseCommits()
        let old = try storedPolicy("example.com", id: "1", at: clock.now)
        let new = try storedPolicy("example.com", id: "2", at: clock.now)
        await run {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await writer.commit(.savePolicy(old)) }
                await gate.arrivals()
                writer.note([.removePolicy(old.domain), .savePolicy(new)])
                gate.open()
                await group.waitForAll()
                await writer.commit(.savePolicy(new))
            }
        }
        #expect(store[old.domain] == new)
        // The removal stays, so that the store does not compare the fetch times of the two policies.
        let committed = store.commits.flatMap { $0 }
        #expect(Array(committed.prefix(3)) == [.savePolicy(old), .removePolicy(old.domain), .savePolicy(new)])
    }

    @Test func `a change that is added while an older one of the domain is committed is waited for`()
        async throws
    {
        let old = try storedPolicy("example.com", id: "1", at: clock.now)
        let new = try storedPolicy("example.com", id: "2", at: clock.now)
        try await run {
            await writer.commit(.savePolicy(try storedPolicy("other.example", at: clock.now)))
            let gate = store.pauseCommits()
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await writer.commit(.savePolicy(old)) }
                await gate.arrivals()
                group.addTask {
                    await writer.commit(.savePolicy(new))
                    #expect(store[old.domain] == new)
                }
                while writer.pending(of: old.domain) != .savePolicy(new), !Task.isCancelled { await Task.yield() }
                gate.open()
            }
        }
    }

    @Test func `a change that a task waits for precedes a backlog`() async throws {
        let backlog = try (1...5_000).map { StoreChange.savePolicy(try storedPolicy("b\($0).example", at: clock.now)) }
        let awaited = StoreChange.savePolicy(try storedPolicy("awaited.example", at: clock.now))
        let gate = store.pauseCommits()
        await run {
            await withTaskGroup(of: Void.self) { group in
                writer.note([backlog[0]])
                await gate.arrivals()
                writer.note(backlog)
                group.addTask { await writer.commit(awaited) }
                while writer.pending(awaited.subject) == nil, !Task.isCancelled { await Task.yield() }
                gate.open()
            }
        }
        let number = store.commits.firstIndex { $0.contains(awaited) }
        #expect(number == 1)
    }

    @Test func `pending changes are limited while the store fails, and dropped ones are logged at the end`()
        async throws
    {
        store.fail(with: StoreError("disk full"))
        let health = StoreHealth(
            log: EventLogger(logger: log.logger()), metrics: metrics)
        let writer = StoreWriter(store, maximumPending: 10, health: health) { try await clock.sleep($0) }
        let changes = try (1...300).map { StoreChange.savePolicy(try storedPolicy("d\($0).example", at: clock.now)) }
        writer.note(changes)
        #expect(changes.count { writer.pending($0.subject) != nil } == 10)
        await writer.end {}
        #expect(log.entries.last?.facts["changes"] == "300")
    }

    @Test func `many changes are committed in several batches`() async throws {
        let changes = try (1...2_500).map { StoreChange.savePolicy(try storedPolicy("d\($0).example", at: clock.now)) }
        writer.note(changes)
        await run { await writer.commit(changes[0]) }
        await writer.end {}
        #expect(Set(store.commits.flatMap { $0 }.map(\.subject)).count == 2_500)
        #expect(store.commits.allSatisfy { $0.count <= 1_000 })
    }

    @Test func `while the store fails no task waits, and the writer tries again after 1, 2, 4 … 30 seconds`()
        async throws
    {
        store.fail(with: StoreError("disk full"))
        let change = StoreChange.savePolicy(try storedPolicy("example.com", at: clock.now))
        await run {
            await log.appearance(of: "cache file error, continuing in memory")
            await writer.commit(change)
            for (number, pause) in [1, 2, 4, 8, 16, 30, 30].enumerated() {
                await clock.pass(.seconds(pause) - .milliseconds(1), onceAsleepFor: .seconds(pause))
                #expect(store.openCalls == number + 1)
                await clock.pass(.milliseconds(1))
                while store.openCalls < number + 2, !Task.isCancelled { await Task.yield() }
            }
            #expect((try? metrics.expectGauge("sts_bridge_store_failing"))?.lastValue == 1)
            store.fail(with: nil)
            await clock.pass(.seconds(30))
            await log.appearance(of: "cache file works again")
        }
        #expect(stored(change) != nil)
        #expect(try metrics.expectGauge("sts_bridge_store_failing").lastValue == 0)
        #expect(try metrics.expectCounter("sts_bridge_store_failures_total").totalValue >= 8)
    }

    @Test func `after a single failure the store works again, and tasks wait for changes again`() async throws {
        let changes = try (1...2).map { StoreChange.savePolicy(try storedPolicy("d\($0).example", at: clock.now)) }
        let domain = try domain("d2.example")
        await run {
            await writer.commit(changes[0])
            store.failNextCommit(with: StoreError("locked"))
            await writer.commit(changes[1])
            await log.appearance(of: "cache file works again")
            #expect(stored(changes[1]) != nil)
            await writer.commit(.removePolicy(domain))
            #expect(stored(changes[1]) == nil)
        }
    }

    @Test func `a task that waits when the writer ends is resumed`() async throws {
        let gate = store.pauseCommits()
        let change = StoreChange.savePolicy(try storedPolicy("example.com", at: clock.now))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await writer.commit(change) }
            await run {
                await gate.arrivals()
                gate.open()
            }
            await writer.commit(change)
        }
        await writer.end {}
        #expect(stored(change) != nil)
    }

    @Test func `if the store is replaced, the writer reports it and writes the new changes`() async throws {
        let changes = try (1...2).map { StoreChange.savePolicy(try storedPolicy("d\($0).example", at: clock.now)) }
        let losses = Losses()
        let writer = writer
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await writer.run {
                    losses.count.withLock { $0 += 1 }
                    writer.noteIfAbsent(changes)
                }
            }
            await writer.commit(changes[0])
            store.removeFile()
            await writer.commit(changes[1])
            await log.appearance(of: "cache file works again")
            while stored(changes[0]) == nil, !Task.isCancelled { await Task.yield() }
            group.cancelAll()
        }
        await writer.end {}
        #expect(losses.count.withLock(\.self) == 1)
        #expect(stored(changes[0]) != nil && stored(changes[1]) != nil)
    }

    @Test func `the purge of a batch returns expired policies without a pending change`() async throws {
        let expired = try storedPolicy("old.example", at: clock.now, life: .zero)
        let changed = try storedPolicy("changed.example", at: clock.now, life: .zero)
        let now = clock.now + .seconds(1)
        await run {
            await writer.commit(.savePolicy(expired))
            await writer.commit(.savePolicy(changed))
            writer.purge(at: now)
            while store.purges == 0, !Task.isCancelled { await Task.yield() }
        }
        writer.note([.noteExpiry(changed.domain, fetchedAt: changed.fetchedAt)])
        #expect(writer.takeExpired().map(\.domain) == [expired.domain])
        #expect(writer.takeExpired().isEmpty)
    }

    private final class Losses: Sendable {
        let count = Mutex(0)
    }

    private func stored(_ change: StoreChange) -> StoredPolicy? {
        guard case .savePolicy(let policy) = change else { return nil }
        return store[policy.domain]
    }

    private func run(_ body: () async throws -> Void) async rethrows {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await writer.run {} }
            try await body()
            group.cancelAll()
        }
    }
}

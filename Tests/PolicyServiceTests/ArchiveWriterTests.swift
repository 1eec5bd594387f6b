import MTASTS
import MetricsTestKit
import Synchronization
import Testing
import TestSupport

@testable import PolicyService

@Suite(.timeLimit(.minutes(5))) struct ArchiveWriterTests {
    private let archive = MemoryArchive()
    private let clock = ManualTime()
    private let log = LogRecorder()
    private let metrics = TestMetrics()
    private let writer: ArchiveWriter

    init() {
        let alarm = ArchiveAlarm(
            log: ChangeLog(logger: log.logger()), metrics: metrics)
        let clock = clock
        writer = ArchiveWriter(archive, alarm: alarm) { try await clock.sleep($0) }
    }

    @Test func `what comes during a commit is one group`() async throws {
        let gate = archive.hold()
        let changes = try (1...50).map { ArchiveChange.keep(try archived("d\($0).example", at: clock.now)) }
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
        #expect(archive.commits.map(\.count) == [1, 49])
    }

    @Test func `of several changes of one domain the last one counts`() async throws {
        let gate = archive.hold()
        let old = try archived("example.com", id: "1", at: clock.now)
        let new = try archived("example.com", id: "2", at: clock.now)
        await run {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await writer.commit(.keep(old)) }
                await gate.arrivals()
                writer.note([.remove(old.domain), .keep(new)])
                gate.open()
                await group.waitForAll()
                await writer.commit(.keep(new))
            }
        }
        #expect(archive[old.domain] == new)
        #expect(archive.commits.flatMap { $0 }.contains(.remove(old.domain)) == false)
    }

    @Test func `who brings a newer change while an older one of the domain is committed waits for the newer`()
        async throws
    {
        let old = try archived("example.com", id: "1", at: clock.now)
        let new = try archived("example.com", id: "2", at: clock.now)
        try await run {
            await writer.commit(.keep(try archived("other.example", at: clock.now)))
            let gate = archive.hold()
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await writer.commit(.keep(old)) }
                await gate.arrivals()
                group.addTask {
                    await writer.commit(.keep(new))
                    #expect(archive[old.domain] == new)
                }
                while writer.pending(of: old.domain) != .keep(new), !Task.isCancelled { await Task.yield() }
                gate.open()
            }
        }
    }

    @Test func `who waits comes before a backlog`() async throws {
        let backlog = try (1...5_000).map { ArchiveChange.keep(try archived("b\($0).example", at: clock.now)) }
        let mine = ArchiveChange.keep(try archived("mine.example", at: clock.now))
        let gate = archive.hold()
        await run {
            await withTaskGroup(of: Void.self) { group in
                writer.note([backlog[0]])
                await gate.arrivals()
                writer.note(backlog)
                group.addTask { await writer.commit(mine) }
                while writer.pending(mine.subject) == nil, !Task.isCancelled { await Task.yield() }
                gate.open()
            }
        }
        let number = archive.commits.firstIndex { $0.contains(mine) }
        #expect(number == 1)
    }

    @Test func `what gathers while it fails is bounded, and what was let go is told at the end`() async throws {
        archive.fail(with: ArchiveFailure("disk full"))
        let alarm = ArchiveAlarm(
            log: ChangeLog(logger: log.logger()), metrics: metrics)
        let writer = ArchiveWriter(archive, limit: 10, alarm: alarm) { try await clock.sleep($0) }
        let changes = try (1...300).map { ArchiveChange.keep(try archived("d\($0).example", at: clock.now)) }
        writer.note(changes)
        #expect(changes.count { writer.pending($0.subject) != nil } == 10)
        await writer.end { _ in }
        #expect(log.entries.last?.facts["policies"] == "300")
    }

    @Test func `more than a group's worth is committed in several`() async throws {
        let changes = try (1...2_500).map { ArchiveChange.keep(try archived("d\($0).example", at: clock.now)) }
        writer.note(changes)
        await run { await writer.commit(changes[0]) }
        await writer.end { _ in }
        #expect(Set(archive.commits.flatMap { $0 }.map(\.subject)).count == 2_500)
        #expect(archive.commits.allSatisfy { $0.count <= 1_000 })
    }

    @Test func `while it fails nobody waits, and it is tried again after 1, 2, 4 … 30 seconds`() async throws {
        archive.fail(with: ArchiveFailure("disk full"))
        let change = ArchiveChange.keep(try archived("example.com", at: clock.now))
        await run {
            await log.appearance(of: "archive failed, going on from memory")
            await writer.commit(change)
            for (number, pause) in [1, 2, 4, 8, 16, 30, 30].enumerated() {
                await clock.pass(.seconds(pause) - .milliseconds(1), onceAsleepFor: .seconds(pause))
                #expect(archive.opened == number + 1)
                await clock.pass(.milliseconds(1))
                while archive.opened < number + 2, !Task.isCancelled { await Task.yield() }
            }
            #expect((try? metrics.expectGauge("sts_bridge_archive_failing"))?.lastValue == 1)
            archive.fail(with: nil)
            await clock.pass(.seconds(30))
            await log.appearance(of: "archive works again")
        }
        #expect(kept(change) != nil)
        #expect(try metrics.expectGauge("sts_bridge_archive_failing").lastValue == 0)
        #expect(try metrics.expectCounter("sts_bridge_archive_failures_total").totalValue >= 8)
    }

    @Test func `after a failure that is over at once it works again, and changes are waited for`() async throws {
        let changes = try (1...2).map { ArchiveChange.keep(try archived("d\($0).example", at: clock.now)) }
        let domain = try domain("d2.example")
        await run {
            await writer.commit(changes[0])
            archive.failOnce(with: ArchiveFailure("locked"))
            await writer.commit(changes[1])
            await log.appearance(of: "archive works again")
            #expect(kept(changes[1]) != nil)
            await writer.commit(.remove(domain))
            #expect(kept(changes[1]) == nil)
        }
    }

    @Test func `who waits when it ends is let go`() async throws {
        let gate = archive.hold()
        let change = ArchiveChange.keep(try archived("example.com", at: clock.now))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await writer.commit(change) }
            await run {
                await gate.arrivals()
                gate.open()
            }
            await writer.commit(change)
        }
        await writer.end { _ in }
        #expect(kept(change) != nil)
    }

    @Test func `for an archive that is another's yet nobody waits, and what was learnt is in it when it is ours`()
        async throws
    {
        let change = ArchiveChange.keep(try archived("example.com", at: clock.now))
        let turns = Turns()
        archive.giveToAnother(true)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await writer.run { turns.add($0) } }
            // Returns though nothing can be written.
            await writer.commit(change)
            #expect(writer.backlog.count == 1)
            #expect(writer.backlog.failure == ArchiveFailure("another process writes it"))
            archive.giveToAnother(false)
            await clock.pass(.milliseconds(200))
            while archive.commits.isEmpty, !Task.isCancelled { await Task.yield() }
            group.cancelAll()
        }
        await writer.end { _ in }
        #expect(kept(change) != nil)
        #expect(turns.all == [.awaited, .inherited])
        #expect(log.messages == [])
    }

    @Test func `the end of one that never got it is silent, unless something is lost`() async throws {
        archive.giveToAnother(true)
        await run { await clock.pass(.milliseconds(200)) }
        await writer.end { _ in }
        #expect(log.messages == [])
    }

    @Test func `one that is free before it is first opened was another's all the same`() async throws {
        archive.giveToAnother(true)
        let clock = clock
        let heir = ArchiveWriter(archive, alarm: ArchiveAlarm(log: ChangeLog(logger: log.logger()), metrics: metrics)) {
            try await clock.sleep($0)
        }
        let turns = Turns()
        let change = ArchiveChange.keep(try archived("example.com", at: clock.now))
        archive.giveToAnother(false)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await heir.run { turns.add($0) } }
            // It was opened when this is durable.
            await heir.commit(change)
            group.cancelAll()
        }
        await heir.end { _ in }
        #expect(turns.all == [.inherited])
    }

    @Test func `one that is free at the end takes what was learnt, without a complaint`() async throws {
        let change = ArchiveChange.keep(try archived("example.com", at: clock.now))
        archive.giveToAnother(true)
        await run {
            await writer.commit(change)
            await clock.pass(.milliseconds(200))
        }
        archive.giveToAnother(false)
        await writer.end { _ in }
        #expect(kept(change) != nil)
        #expect(log.messages == [])
    }

    private final class Turns: Sendable {
        private let turns = Mutex<[ArchiveWriter.Turn]>([])

        var all: [ArchiveWriter.Turn] { turns.withLock(\.self) }

        func add(_ turn: ArchiveWriter.Turn) { turns.withLock { $0.append(turn) } }
    }

    private func kept(_ change: ArchiveChange) -> ArchivedPolicy? {
        guard case .keep(let policy) = change else { return nil }
        return archive[policy.domain]
    }

    private func run(_ body: () async throws -> Void) async rethrows {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await writer.run { _ in } }
            try await body()
            group.cancelAll()
        }
    }
}

import Foundation
import Glibc
import MTASTS
import PolicyService
import Synchronization
import TestSupport
import Testing

@testable import SQLiteArchive

@Suite struct SQLiteArchiveTests {
    let lab: ArchiveLab

    init() throws { lab = try ArchiveLab() }

    @Test func `it keeps the contract`() async throws {
        let violations = try await ArchiveContract(try SQLiteArchive(path: lab.path)).violations()
        #expect(violations == [])
    }

    @Test func `its twin keeps the contract`() async throws {
        let violations = try await ArchiveContract(MemoryArchive()).violations()
        #expect(violations == [])
    }

    @Test func `what was kept survives closing and opening`() async throws {
        let samples = try ArchiveContract.samples()
        let archive = try await lab.archive()
        try await archive.commit(samples.map(ArchiveChange.keep))
        await archive.close()
        #expect(try lab.names() == ["cache.db", "cache.db.lock"])
        let reopened = try await lab.archive()
        let rows = try await reopened.loaded()
        #expect(rows.count == samples.count)
        #expect(samples.allSatisfy { rows.contains(.policy($0)) })
        await reopened.close()
    }

    @Test func `one file has one lock, whatever its names`() async throws {
        let archive = try await lab.archive()
        let alias = lab.directory + "/alias.db"
        try FileManager.default.createSymbolicLink(atPath: alias, withDestinationPath: "cache.db")
        #expect(throws: ArchiveRefusal.inUse(path: alias, pid: getpid())) { try SQLiteArchive(path: alias) }
        await archive.close()
    }

    @Test func `a link to a file that is not there yet begins that file`() async throws {
        try FileManager.default.createSymbolicLink(atPath: lab.path, withDestinationPath: "elsewhere.db")
        let archive = try await lab.archive()
        try await archive.keep(try ArchiveContract.sample("linked.example"))
        await archive.close()
        #expect(FileManager.default.fileExists(atPath: lab.directory + "/elsewhere.db"))
        let rows = try await lab.archive().loaded()
        #expect(rows.count == 1)
    }

    @Test func `a disk that does not answer holds nobody for ever`() async throws {
        let archive = try SQLiteArchive(path: lab.path, limit: .milliseconds(50))
        _ = try await archive.open()
        let disk = DispatchSemaphore(value: 0)
        archive.changes.async { disk.wait() }
        let silent = ArchiveTrouble(lab.path).silent(after: .milliseconds(50))
        let sample = try ArchiveContract.sample("silent.example")
        await #expect(throws: silent) { try await archive.keep(sample) }
        await archive.close()
        disk.signal()
    }

    @Test func `a killed process loses nothing that it committed`() async throws {
        let path = lab.path
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let archive = try SQLiteArchive(path: path)
            _ = try await archive.open()
            for number in 0..<50 {
                try await archive.keep(try ArchiveContract.sample("killed\(number).example"))
            }
            kill(getpid(), SIGKILL)
        }
        // Nothing was put into the database itself yet.
        #expect(FileManager.default.fileExists(atPath: path + "-wal"))
        let archive = try await lab.archive()
        let rows = try await archive.loaded()
        #expect(rows.count == 50)
        await archive.close()
    }

    @Test func `a copy of the files of a running archive is complete`() async throws {
        let archive = try await lab.archive()
        let sample = try ArchiveContract.sample("copied.example")
        try await archive.keep(sample)
        let copy = try ArchiveLab()
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: lab.path + suffix, toPath: copy.path + suffix)
        }
        await archive.close()
        let second = try await copy.archive()
        let row = try await second.row(of: sample.domain)
        #expect(row == .policy(sample))
        await second.close()
    }

    @Test func `of two on one file the second is refused until the first is closed`() async throws {
        let first = try await lab.archive()
        #expect(lab.refusal() == .inUse(path: lab.path, pid: getpid()))
        await first.close()
        #expect(lab.refusal() == nil)
    }

    @Test func `an heir reads what another writes, writes nothing, and follows it`() async throws {
        let (old, new) = (try ArchiveContract.sample("old.example"), try ArchiveContract.sample("new.example"))
        let first = try await lab.archive()
        try await first.commit([.keep(old)])
        let heir = try SQLiteArchive(path: lab.path, access: .succession)
        #expect(heir.predecessor == .inUse(path: lab.path, pid: getpid()))
        #expect(try await heir.open() == .later(ArchiveFailure("\(try #require(heir.predecessor))")))
        try await first.commit([.keep(new)])
        for sample in [old, new] { #expect(try await heir.row(of: sample.domain) == .policy(sample)) }
        await #expect(throws: ArchiveFailure.self) { try await heir.commit([.remove(old.domain)]) }
        first.announceEnd()
        _ = try await heir.open()
        #expect(heir.predecessor == .inUse(path: lab.path, pid: getpid(), isLeaving: true))
        await first.close()
        #expect(heir.isAnothersYet)
        #expect(try await heir.open() == .anew)
        #expect(!heir.isAnothersYet)
        try await heir.commit([.remove(old.domain)])
        #expect(try await heir.row(of: old.domain) == nil)
        #expect(try await heir.row(of: new.domain) == .policy(new))
        #expect(try await heir.open() == .unchanged)
        await heir.close()
    }

    @Test func `one heir waits at a time: the next is refused until that one has followed or given up`() async throws {
        let first = try await lab.archive()
        let heir = try SQLiteArchive(path: lab.path, access: .succession)
        #expect(lab.refusal(.succession) == .awaited(path: lab.path, pid: getpid()))
        await heir.close()
        let second = try SQLiteArchive(path: lab.path, access: .succession)
        #expect(lab.refusal(.succession) == .awaited(path: lab.path, pid: getpid()))
        await first.close()
        #expect(try await second.open() == .anew)
        let third = try SQLiteArchive(path: lab.path, access: .succession)
        #expect(third.predecessor == .inUse(path: lab.path, pid: getpid()))
        await third.close()
        await second.close()
    }

    @Test func `without another an heir is in charge at once`() async throws {
        let archive = try SQLiteArchive(path: lab.path, access: .succession)
        #expect(archive.predecessor == nil)
        #expect(try await archive.open() == .anew)
        await archive.close()
    }

    @Test func `the other process is named`() async throws {
        let archive = try await lab.archive()
        let (path, pid) = (lab.path, getpid())
        await #expect(processExitsWith: .success) { [path = path as String, pid = pid as Int32] in
            do throws(ArchiveRefusal) {
                _ = try SQLiteArchive(path: path)
                exit(1)
            } catch {
                exit(error == .inUse(path: path, pid: pid) ? 0 : 2)
            }
        }
        await archive.close()
    }

    @Test func `an archive that is let go of without being closed gives its file free`() async throws {
        let sample = try ArchiveContract.sample("left.example")
        do {
            let archive = try await lab.archive()
            try await archive.keep(sample)
        }
        let archive = try await lab.archive()
        let row = try await archive.row(of: sample.domain)
        #expect(row == .policy(sample))
        await archive.close()
    }

    @Test func `a closed one fails whatever is asked of it`() async throws {
        let archive = try await lab.archive()
        let sample = try ArchiveContract.sample("late.example")
        await archive.close()
        await archive.close()
        let words = "Cache file \(lab.path): it is closed. Start the daemon again."
        #expect(await failure { try await archive.open() } == words)
        #expect(await failure { try await archive.loaded() } == words)
        #expect(await failure { try await archive.row(of: sample.domain) } == words)
        #expect(await failure { try await archive.keep(sample) } == words)
        #expect(await failure { try await archive.purge(at: sample.fetchedAt, grace: .zero) } == words)
        #expect(try lab.names() == ["cache.db", "cache.db.lock"])
    }

    @Test func `100,000 policies are loaded, some hundred at a time`() async throws {
        let archive = try await lab.archive()
        for first in stride(from: 0, to: 100_000, by: 10_000) {
            try await archive.commit(
                (first..<first + 10_000).map { .keep(try ArchiveContract.sample("d\($0).example", id: "\($0)")) })
        }
        let seen = Mutex<(domains: Set<PolicyDomain>, wrong: Int, chunks: [Int])>(([], 0, []))
        try await archive.load { rows in
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
        await archive.close()
    }

    @Test func `changes are made while everything is being loaded`() async throws {
        let archive = try await lab.archive()
        try await archive.commit((0..<2_000).map { .keep(try ArchiveContract.sample("d\($0).example")) })
        let late = try ArchiveContract.sample("late.example")
        let (chunks, arrived) = AsyncStream<Int>.makeStream()
        let loading = Task {
            try await archive.load { rows in
                arrived.yield(rows.count)
                // Until the change is made; on a thread that is there to be blocked.
                if rows.count == 500 { self.wait(until: archive, has: late) }
            }
            arrived.finish()
        }
        var loaded = 0
        for await count in chunks {
            if loaded == 0 { try await archive.keep(late) }
            loaded += count
        }
        try await loading.value
        #expect(loaded == 2_000)
        await archive.close()
    }

    private func wait(until archive: SQLiteArchive, has policy: ArchivedPolicy) {
        let done = DispatchSemaphore(value: 0)
        Task {
            while (try? await archive.row(of: policy.domain)) == nil, !Task.isCancelled { await Task.yield() }
            done.signal()
        }
        done.wait()
    }

    @Test func `a cancelled task leaves no change half-way and no change undone`() async throws {
        let archive = try await lab.archive()
        let sample = try ArchiveContract.sample("cancelled.example")
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await archive.keep(sample)
            return try await archive.row(of: sample.domain)
        }
        let row = try await task.value
        #expect(row == .policy(sample))
        await archive.close()
    }

    @Test func `whatever comes at the same time, every call ends, and well or with a failure`() async throws {
        let archive = try await lab.archive()
        let samples = try (0..<200).map { try ArchiveContract.sample("d\($0).example") }
        let lab = lab
        await withTaskGroup(of: Void.self) { group in
            for round in 0..<100 {
                let sample = samples[round]
                group.addTask { _ = await failure { try await archive.commit(samples.map(ArchiveChange.keep)) } }
                group.addTask { _ = await failure { try await archive.row(of: sample.domain) } }
                group.addTask { _ = await failure { try await archive.loaded() } }
                group.addTask { _ = await failure { try await archive.purge(at: sample.expiresAt, grace: .zero) } }
                group.addTask { _ = await failure { try await archive.open() } }
                if round.isMultiple(of: 10) { group.addTask { try? lab.remove("") } }
            }
        }
        _ = try await archive.open()
        try await archive.keep(samples[0])
        let row = try await archive.row(of: samples[0].domain)
        #expect(row == .policy(samples[0]))
        await archive.close()
    }

    // MARK: Read only

    @Test func `an export reads beside a running daemon and disturbs nothing`() async throws {
        let daemon = try await lab.archive()
        let first = try ArchiveContract.sample("first.example")
        try await daemon.keep(first)
        let export = try SQLiteArchive(path: lab.path, access: .readOnly)
        let opening = try await export.open()
        #expect(opening == .anew)
        let loaded = try await export.loaded()
        #expect(loaded == [.policy(first)])
        let second = try ArchiveContract.sample("second.example")
        try await daemon.keep(second)
        let row = try await export.row(of: second.domain)
        #expect(row == .policy(second))
        #expect(await failure { try await export.keep(first) }?.contains("reading only") == true)
        #expect(
            await failure { try await export.purge(at: first.fetchedAt, grace: .zero) }?.contains("reading only")
                == true)
        let again = try await export.open()
        #expect(again == .unchanged)
        await export.close()
        try await daemon.keep(first)
        let unchanged = try await daemon.open()
        #expect(unchanged == .unchanged)
        await daemon.close()
        #expect(try lab.names() == ["cache.db", "cache.db.lock"])
    }

    @Test func `an export of an archive at rest does not change its file`() async throws {
        try await lab.leave(try ArchiveContract.sample("rest.example"))
        let before = try lab.octets()
        let export = try SQLiteArchive(path: lab.path, access: .readOnly)
        let rows = try await export.loaded()
        #expect(rows.count == 1)
        await export.close()
        #expect(try lab.octets() == before)
        // And a daemon finds its way after it.
        let daemon = try await lab.archive()
        await daemon.close()
    }
}

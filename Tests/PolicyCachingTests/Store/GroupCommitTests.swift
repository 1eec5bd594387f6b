import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

/// A waiter is a number here.
@Suite struct GroupCommitTests {
    private let now = ManualTime().now
    private let error = StoreError("disk full")

    private func working(_ limits: GroupCommit<Int>.Limits = .init()) -> GroupCommit<Int> {
        var commit = GroupCommit<Int>(limits: limits)
        _ = commit.opened()
        return commit
    }

    private func save(_ name: String, text: String = policyText()) throws -> StoreChange {
        .savePolicy(try storedPolicy("\(name).example", text: text, at: now))
    }

    private func saves(_ range: ClosedRange<Int>) throws -> [StoreChange] { try range.map { try save("d\($0)") } }

    @Test func `changes are committed in the order in which they were added`() throws {
        var commit = working()
        let changes = try saves(1...50)
        for change in changes { commit.add(change) }
        #expect(commit.nextBatch()?.changes == changes)
        #expect(commit.succeed().isMore == false)
        #expect(commit.count == 0)
        #expect(commit.nextBatch() == nil)
    }

    @Test func `a later change of a subject replaces the earlier one and keeps its position`() throws {
        var commit = working()
        let (first, second) = (try save("a"), try save("b"))
        let removal = StoreChange.removePolicy(try domain("a.example"))
        for change in [first, second, removal] { commit.add(change) }
        #expect(commit.nextBatch()?.changes == [removal, second])
    }

    /// The removed policy may have been fetched by a clock that was ahead. Then the store takes it for a later fetch.
    @Test func `a policy saved after a removal is committed after the removal, also after an error`() throws {
        var commit = working(.init(maximumBatchRows: 2))
        let (name, saved, other) = (try domain("a.example"), try save("a"), try save("b"))
        for removal in [StoreChange.removePolicy(name), .evictPolicy(name, fetchedAt: now)] {
            for change in [saved, removal, saved, other] { commit.add(change) }
            #expect(commit.count == 2)
            #expect(commit.nextBatch()?.changes == [removal, saved])
            _ = commit.fail(error)
            #expect(commit.nextBatch()?.changes == [removal, saved])
            #expect(commit.succeed().isMore)
            #expect(commit.nextBatch()?.changes == [other])
            #expect(commit.succeed().isMore == false)
        }
    }

    @Test func `a policy saved during the batch of its removal is committed after the removal`() throws {
        var commit = working()
        let (removal, saved) = (StoreChange.removePolicy(try domain("a.example")), try save("a"))
        for hasFailed in [false, true] {
            commit.add(removal)
            #expect(commit.nextBatch()?.changes == [removal])
            commit.add(saved)
            if hasFailed { _ = commit.fail(error) } else { _ = commit.succeed() }
            #expect(commit.nextBatch()?.changes == [removal, saved])
            _ = commit.succeed()
            #expect(commit.count == 0)
        }
    }

    @Test func `a removal after a saved policy replaces an earlier removal`() throws {
        var commit = working()
        let removal = StoreChange.removePolicy(try domain("a.example"))
        for change in [removal, try save("a"), removal] { commit.add(change) }
        #expect(commit.nextBatch()?.changes == [removal])
        #expect(commit.succeed().isMore == false)
    }

    @Test func `a policy and its expiry are different subjects`() throws {
        var commit = working()
        let changes = [try save("a"), .noteExpiry(try domain("a.example"), fetchedAt: now)]
        for change in changes { commit.add(change) }
        #expect(commit.nextBatch()?.changes == changes)
    }

    @Test func `a batch has a maximum number of rows, and the next one has the rest`() throws {
        var commit = working(.init(maximumBatchRows: 20))
        let changes = try saves(1...45)
        for change in changes { commit.add(change) }
        var sizes: [Int] = []
        var committed: [StoreChange] = []
        while let batch = commit.nextBatch() {
            sizes.append(batch.changes.count)
            committed += batch.changes
            #expect(commit.succeed().isMore == (committed.count < 45))
        }
        #expect(sizes == [20, 20, 5])
        #expect(committed == changes)
    }

    @Test func `a batch has a maximum number of octets, but at least one change`() throws {
        var commit = working(.init(maximumBatchBytes: 1_000))
        let large = policyText() + "\nx: " + String(repeating: "x", count: 2_000)
        let half = policyText() + "\nx: " + String(repeating: "x", count: 400)
        for (name, text) in [("a", half), ("b", half), ("c", large), ("d", half)] {
            commit.add(try save(name, text: text))
        }
        var domains: [[String]] = []
        while let batch = commit.nextBatch() {
            domains.append(batch.changes.map { if case .savePolicy(let row) = $0 { row.domain.name.text } else { "" } })
            _ = commit.succeed()
        }
        #expect(domains == [["a.example", "b.example"], ["c.example"], ["d.example"]])
    }

    @Test func `changes with waiters are committed first`() throws {
        var commit = working(.init(maximumBatchRows: 3))
        let changes = try saves(1...10)
        for change in changes { commit.add(change) }
        guard case .commit(let first) = commit.request(changes[9].subject, waiter: 1) else {
            throw UnexpectedError(what: "no batch")
        }
        #expect(first.changes == [changes[9], changes[0], changes[1]])
        #expect(commit.request(changes[7].subject, waiter: 2) == .wait)
        #expect(commit.request(changes[5].subject, waiter: 3) == .wait)
        #expect(commit.succeed().waiters == [])
        #expect(commit.nextBatch()?.changes == [changes[5], changes[7], changes[2]])
        #expect(commit.succeed().waiters == [3, 2])
    }

    @Test func `one batch is in progress at a time`() throws {
        var commit = working()
        let (first, second) = (try save("a"), try save("b"))
        commit.add(first)
        #expect(commit.nextBatch() != nil)
        commit.add(second)
        #expect(commit.nextBatch() == nil)
        #expect(commit.request(second.subject, waiter: 1) == .wait)
        #expect(commit.succeed().isMore)
        #expect(commit.nextBatch()?.changes == [second])
    }

    @Test func `a change that was replaced during its batch stays pending, and its waiter waits on`() throws {
        var commit = working()
        let old = try save("a", text: policyText(mode: "testing"))
        let new = try save("a")
        commit.add(old)
        #expect(commit.nextBatch()?.changes == [old])
        commit.add(new)
        #expect(commit.request(new.subject, waiter: 1) == .wait)
        let (waiters, isMore) = commit.succeed()
        #expect(waiters == [] && isMore)
        #expect(commit.nextBatch()?.changes == [new])
        #expect(commit.succeed().waiters == [1])
    }

    @Test func `after an error everything stays pending, all waiters are released, and no task waits`() throws {
        var commit = working()
        let changes = try saves(1...3)
        for change in changes { commit.add(change) }
        #expect(commit.nextBatch() != nil)
        #expect(commit.request(changes[0].subject, waiter: 1) == .wait)
        #expect(commit.request(changes[1].subject, waiter: 2) == .wait)
        #expect(commit.fail(error).sorted() == [1, 2])
        #expect(commit.failure == error)
        #expect(commit.count == 3)
        #expect(commit.request(changes[0].subject, waiter: 3) == .finished)
        // The next try.
        #expect(commit.nextBatch()?.changes == changes)
        #expect(commit.succeed().isMore == false)
        #expect(commit.opened() == true)
        #expect(commit.failure == nil)
        #expect(commit.opened() == false)
    }

    @Test func `a task waits for the first opening`() throws {
        var commit = GroupCommit<Int>()
        let change = try save("a")
        commit.add(change)
        #expect(commit.request(change.subject, waiter: 1) == .wait)
        #expect(commit.nextBatch()?.changes == [change])
        #expect(commit.succeed().waiters == [1])
    }

    @Test func `nothing is pending: the request is finished`() throws {
        var commit = working()
        #expect(commit.request(.observe, waiter: 1) == .finished)
    }

    @Test func `after the end no task waits, and pending changes can be committed`() throws {
        var commit = GroupCommit<Int>()
        let change = try save("a")
        commit.add(change)
        #expect(commit.request(change.subject, waiter: 1) == .wait)
        #expect(commit.end() == [1])
        #expect(commit.request(change.subject, waiter: 2) == .finished)
        #expect(commit.nextBatch()?.changes == [change])
    }

    @Test func `changes above the maximum are dropped and counted, but not overrides or known subjects`() throws {
        var commit = working(.init(maximumPending: 2))
        let changes = try saves(1...3)
        for change in changes { commit.add(change) }
        #expect(commit.count == 2 && commit.dropped == 1)
        #expect(!commit.hasPendingOverrides)
        let override = try testOverride(.pin([]), of: "pin.example", since: now)
        commit.add(.setOverride(override))
        let removal = StoreChange.removePolicy(try domain("d1.example"))
        commit.add(removal)
        #expect(commit.hasPendingOverrides)
        #expect(commit.count == 3 && commit.dropped == 1)
        #expect(commit.nextBatch()?.changes == [removal, changes[1], .setOverride(override)])
    }

    @Test func `a change that the store may have does not replace a pending one`() throws {
        var commit = working()
        let (old, new) = (try save("a", text: policyText(mode: "testing")), try save("a"))
        commit.add(new)
        commit.addIfAbsent(old)
        #expect(commit.change(of: old.subject) == new)
    }

    @Test func `a purge and a check go with one batch, also without changes`() throws {
        var commit = working()
        #expect(commit.nextBatch() == nil)
        commit.requestPurge(at: now)
        commit.requestCheck()
        let next = commit.nextBatch()
        let batch = try #require(next)
        #expect(batch.changes == [] && batch.purge == now && batch.isCheck)
        #expect(commit.succeed().isMore == false)
        #expect(commit.nextBatch() == nil)
    }

    @Test func `rows with a pending change are not unchanged`() throws {
        var commit = working()
        let rows = try ["a", "b", "c"].map { try storedPolicy("\($0).example", at: now) }
        commit.add(.savePolicy(rows[0]))
        commit.add(.noteExpiry(rows[1].domain, fetchedAt: now))
        #expect(commit.unchanged(rows) == [rows[2]])
    }

    /// A model: the last change of each subject is committed exactly once, whatever happens in between.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `nothing is lost or repeated by random additions, errors and batches`(seed: UInt64) throws {
        var random = Seeded(seed)
        var commit = working(.init(maximumBatchRows: 7, maximumBatchBytes: 500))
        var expected: [StoreChange.Subject: StoreChange] = [:]
        var stored: [StoreChange.Subject: StoreChange] = [:]
        var waiting: [Int: StoreChange.Subject] = [:]
        var batch: StoreBatch?
        func note(_ waiters: [Int]) {
            for waiter in waiters {
                let subject = waiting.removeValue(forKey: waiter)
                #expect(subject != nil)
            }
        }
        for step in 1...2_000 {
            switch UInt64.random(in: 0...9, using: &random) {
            case 0...4:
                let text = policyText(maxAge: 86_400 + step)
                let change = try save("d\(UInt64.random(in: 1...30, using: &random))", text: text)
                expected[change.subject] = change
                commit.add(change)
            case 5:
                guard let subject = expected.keys.randomElement(using: &random) else { continue }
                switch commit.request(subject, waiter: step) {
                case .commit(let next):
                    #expect(batch == nil)
                    batch = next
                case .wait: waiting[step] = subject
                case .finished: break
                }
            case 6...8:
                if let current = batch {
                    for change in current.changes { stored[change.subject] = change }
                    note(commit.succeed().waiters)
                    batch = nil
                } else {
                    batch = commit.nextBatch()
                    #expect((batch?.changes.count ?? 0) <= 7)
                }
            default:
                guard batch != nil else { continue }
                note(commit.fail(error))
                #expect(waiting.isEmpty)
                batch = nil
                _ = commit.opened()
            }
        }
        if batch != nil { _ = commit.fail(error) }
        while let last = commit.nextBatch() {
            for change in last.changes { stored[change.subject] = change }
            _ = commit.succeed()
        }
        #expect(stored == expected)
        #expect(commit.count == 0)
    }
}

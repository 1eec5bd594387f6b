import MTASTS
import TextFormats

/// One transaction of the store.
package struct StoreBatch: Equatable, Sendable {
    /// In the order in which they were added, changes that a task waits for first.
    package let changes: [StoreChange]
    /// Delete expired policies as of this time, after the changes.
    package let purge: WallTime?
    /// Ask the store whether its file still exists, even if there are no changes.
    package let isCheck: Bool
}

/// Collects changes for the store and divides them into transactions, one at a time.
///
/// A later change of a subject replaces an earlier one. Only a removal of a policy is committed before a policy that is saved
/// after it: the store would compare the fetch times of the two policies. A change leaves the collection when its transaction
/// has succeeded; a failed transaction leaves everything pending. `Waiter` identifies a task that waits until its change is
/// durable.
/// A pure value: it neither opens the store nor sleeps.
/// Concurrency: none of its own; `StoreWriter` guards it with a mutex.
/// Limits: `Limits`.
/// Not here: the pause after a failure (`RetryPause`), the log (`StoreHealth`).
package struct GroupCommit<Waiter: Sendable>: Sendable {
    package struct Limits: Sendable {
        /// Changes in one transaction. Its fixed cost is then small, and no task waits long.
        package var maximumBatchRows: Int
        /// Octets of policy text in one transaction. A single change may exceed it.
        package var maximumBatchBytes: Int
        /// Changes that collect while the store fails. Changes of overrides are few and not limited.
        package var maximumPending: Int

        package init(
            maximumBatchRows: Int = 1_000, maximumBatchBytes: Int = 8 << 20, maximumPending: Int = 1_000_000
        ) {
            self.maximumBatchRows = maximumBatchRows
            self.maximumBatchBytes = maximumBatchBytes
            self.maximumPending = maximumPending
        }
    }

    /// What a task does to get its change committed.
    package enum Request: Equatable, Sendable {
        /// Commit this batch, then call `succeed` or `fail`.
        case commit(StoreBatch)
        /// Wait: the waiter is returned by `succeed`, `fail` or `end`.
        case wait
        /// The change is durable already, or it cannot become durable now.
        case finished
    }

    private enum Health: Sendable {
        /// The store was not opened yet.
        case opening
        case working
        case failing(StoreError)
    }

    private struct Pending: Sendable {
        /// A removal that was added before `change`.
        var removal: StoreChange?
        var change: StoreChange
        let number: UInt64

        mutating func replace(with new: StoreChange) {
            if case .removePolicy = new {
                removal = nil
            } else if removal == nil, change.isPolicyRemoval {
                removal = change
            }
            change = new
        }
    }

    private let limits: Limits
    private var pending: [StoreChange.Subject: Pending] = [:]
    /// Subjects in the order in which they were added. A subject that is no longer pending under its number is skipped.
    private var queue: [(subject: StoreChange.Subject, number: UInt64)] = []
    /// The queue begins here.
    private var head = 0
    private var lastNumber: UInt64 = 0
    private var waiters: [StoreChange.Subject: [Waiter]] = [:]
    private var purge: WallTime?
    private var isCheckRequested = false
    private var current: StoreBatch?
    private var health = Health.opening
    private var hasEnded = false
    /// Changes that were dropped because `maximumPending` was reached.
    package private(set) var dropped = 0

    package init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// Changes that are not committed yet.
    package var count: Int { pending.count }
    /// The error of the last try, until a try succeeds.
    package var failure: StoreError? {
        guard case .failing(let error) = health else { return nil }
        return error
    }
    package var hasPendingOverrides: Bool { pending.values.contains(where: \.change.isOverride) }

    package func change(of subject: StoreChange.Subject) -> StoreChange? { pending[subject]?.change }

    /// The rows of the store to which no pending change applies.
    package func unchanged(_ rows: [StoredPolicy]) -> [StoredPolicy] {
        rows.filter { pending[.policy($0.domain)] == nil && pending[.policyEnd($0.domain)] == nil }
    }

    // MARK: Adding

    /// Adds a change, in place of an earlier one of the same subject.
    package mutating func add(_ change: StoreChange) {
        let subject = change.subject
        if pending[subject] != nil {
            pending[subject]?.replace(with: change)
            return
        }
        guard pending.count < limits.maximumPending || change.isOverride else {
            dropped += 1
            return
        }
        lastNumber += 1
        pending[subject] = Pending(change: change, number: lastNumber)
        queue.append((subject, lastNumber))
    }

    /// Adds a change that the store may have already: a pending change of the same subject is newer and stays.
    package mutating func addIfAbsent(_ change: StoreChange) {
        if pending[change.subject] == nil { add(change) }
    }

    /// Deletes expired policies with the next batch.
    package mutating func requestPurge(at now: WallTime) { purge = now }

    /// Checks with the next batch whether the store's file still exists.
    package mutating func requestCheck() { isCheckRequested = true }

    // MARK: Committing

    /// A task wants the change of a subject to become durable.
    ///
    /// If no batch is in progress the task commits it itself, which saves two task switches. A task waits before the first
    /// opening too. It never waits while the store fails.
    package mutating func request(_ subject: StoreChange.Subject, waiter: Waiter) -> Request {
        if case .working = health, let batch = nextBatch(firstOf: subject) { return .commit(batch) }
        // A change that was dropped is never committed.
        guard failure == nil, !hasEnded, pending[subject] != nil else { return .finished }
        waiters[subject, default: []].append(waiter)
        return .wait
    }

    /// The next batch; `nil` if one is in progress, or there is nothing to do.
    package mutating func nextBatch() -> StoreBatch? { nextBatch(firstOf: nil) }

    private mutating func nextBatch(firstOf subject: StoreChange.Subject?) -> StoreBatch? {
        guard current == nil, !pending.isEmpty || purge != nil || isCheckRequested else { return nil }
        let batch = StoreBatch(changes: nextChanges(firstOf: subject), purge: purge, isCheck: isCheckRequested)
        (purge, isCheckRequested, current) = (nil, false, batch)
        return batch
    }

    /// Changes that a task waits for, then the others, each in the order in which they were added.
    private mutating func nextChanges(firstOf subject: StoreChange.Subject?) -> [StoreChange] {
        compact()
        let awaited = (waiters.keys.filter { $0 != subject } + [subject].compactMap(\.self)).compactMap { pending[$0] }
        let first = awaited.sorted { $0.number < $1.number }
        var batch = BatchBuilder(maximumRows: limits.maximumBatchRows, maximumBytes: limits.maximumBatchBytes)
        for next in first where !take(next, into: &batch) { return batch.changes }
        let urgent = Set(first.map(\.number))
        for entry in queue[head...] where !urgent.contains(entry.number) {
            guard let next = pending[entry.subject], next.number == entry.number else { continue }
            guard take(next, into: &batch) else { break }
        }
        return batch.changes
    }

    /// - Returns: `false` if the batch is full.
    private mutating func take(_ next: Pending, into batch: inout BatchBuilder) -> Bool {
        guard batch.add([next.removal, next.change].compactMap(\.self)) else { return false }
        // `fail` puts it back.
        if next.removal != nil { pending[next.change.subject]?.removal = nil }
        return true
    }

    /// Drops the committed beginning of the queue.
    private mutating func compact() {
        while head < queue.count, pending[queue[head].subject]?.number != queue[head].number { head += 1 }
        guard head > queue.count / 2 else { return }
        queue.removeFirst(head)
        head = 0
    }

    /// The batch in progress is durable.
    ///
    /// A change that was replaced since the batch began stays pending, and its waiters go on waiting.
    /// - Returns: the waiters whose changes are durable, and whether there is another batch.
    package mutating func succeed() -> (waiters: [Waiter], isMore: Bool) {
        guard let batch = current else { return ([], false) }
        current = nil
        var finished: [Waiter] = []
        for change in batch.changes where pending[change.subject]?.change == change {
            pending[change.subject] = nil
            finished += waiters.removeValue(forKey: change.subject) ?? []
        }
        return (finished, !pending.isEmpty || purge != nil || isCheckRequested)
    }

    /// Opening the store or a batch failed. The changes stay pending.
    ///
    /// - Returns: all waiters: their changes cannot become durable now.
    package mutating func fail(_ error: StoreError) -> [Waiter] {
        for change in current?.changes ?? [] where change.isPolicyRemoval { putBack(change) }
        current = nil
        health = .failing(error)
        return takeWaiters()
    }

    /// Puts a removal back that a batch has taken out.
    private mutating func putBack(_ removal: StoreChange) {
        guard let next = pending[removal.subject], next.removal == nil, next.change != removal else { return }
        if case .removePolicy = next.change { return }
        pending[removal.subject]?.removal = removal
    }

    /// The store was opened and everything that was pending is committed.
    ///
    /// - Returns: whether the store failed before.
    package mutating func opened() -> Bool {
        defer { health = .working }
        return failure != nil
    }

    /// No task waits from now on. Pending changes can still be committed.
    package mutating func end() -> [Waiter] {
        hasEnded = true
        return takeWaiters()
    }

    private mutating func takeWaiters() -> [Waiter] {
        defer { waiters = [:] }
        return waiters.values.flatMap(\.self)
    }
}

/// Collects changes up to the limits of a batch.
private struct BatchBuilder {
    let maximumRows: Int
    let maximumBytes: Int
    private(set) var changes: [StoreChange] = []
    private var octets = 0

    init(maximumRows: Int, maximumBytes: Int) {
        self.maximumRows = maximumRows
        self.maximumBytes = maximumBytes
    }

    /// Adds changes that belong together.
    ///
    /// - Returns: `false` if the batch is full.
    mutating func add(_ new: [StoreChange]) -> Bool {
        let newOctets = new.reduce(0) { $0 + $1.octetCount }
        guard changes.isEmpty || changes.count + new.count <= maximumRows && octets + newOctets <= maximumBytes else {
            return false
        }
        changes += new
        octets += newOctets
        return true
    }
}

import MTASTS
import PolicyCaching
import Synchronization
import TextFormats

/// Writes changes to the store in batches (`GroupCommit`) and tries again after an error.
///
/// While the store fails, changes collect in memory and no task waits for them.
/// Concurrency: any task. If no batch is in progress, the task that needs a change to be durable writes the batch itself,
/// which saves two task switches. `run` writes the other batches.
/// Errors: none; `StoreHealth` logs them.
/// Not here: the content of the changes (`PolicyCache`), reading (`StoreReader`).
final class StoreWriter: Sendable {
    /// Resumed with `nil` when its change is durable, or cannot become durable now.
    private typealias Waiter = CheckedContinuation<StoreBatch?, Never>

    private struct State {
        var commits: GroupCommit<Waiter>
        /// `run` has tried to open the store, so it should have what memory has.
        var wasTried = false
        /// Expired policies whose expiry the log does not have, for `takeExpired`.
        var expired: [StoredPolicy] = []
    }

    private let store: any PolicyStore
    private let health: StoreHealth
    private let sleep: @Sendable (Duration) async throws -> Void
    private let state: Mutex<State>
    private let calls: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// How long the store keeps an expired policy. The clock may have been ahead when it expired.
    private static let grace = Duration.seconds(7 * 86_400)

    /// - Parameter maximumPending: the number of changes that collect while the store fails.
    init(
        _ store: any PolicyStore, maximumPending: Int = 1_000_000, health: StoreHealth,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.store = store
        state = Mutex(State(commits: GroupCommit(limits: .init(maximumPending: maximumPending))))
        self.health = health
        self.sleep = sleep
        (calls, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var storesNothing: Bool { store.storesNothing }

    // MARK: Changes

    /// Returns when the change is durable, or cannot become durable now.
    func commit(_ change: StoreChange) async {
        guard !store.storesNothing else { return }
        state.withLock { $0.commits.add(change) }
        await waitUntilDurable(change)
    }

    /// Returns when the noted change of the subject is durable, or why it cannot become durable now.
    func flush(_ subject: StoreChange.Subject) async -> StoreError? {
        if let change = pending(subject) { await waitUntilDurable(change) }
        return state.withLock { state in
            guard state.commits.change(of: subject) != nil else { return nil }
            return state.commits.failure ?? StoreError("sts-bridge is stopping")
        }
    }

    private func waitUntilDurable(_ change: StoreChange) async {
        // The change may not fit into the batch.
        repeat {
            guard let batch = await batchToWrite(for: change.subject) else { return }
            do throws(StoreError) {
                try await write(batch)
            } catch {
                fail(error)
                wake.yield()
                return
            }
        } while pending(change.subject) == change
    }

    /// Returns the batch that this task has to write, or `nil` after another task has written the change.
    private func batchToWrite(for subject: StoreChange.Subject) async -> StoreBatch? {
        await withCheckedContinuation { continuation in
            switch state.withLock({ $0.commits.request(subject, waiter: continuation) }) {
            case .commit(let batch): continuation.resume(returning: batch)
            case .finished: continuation.resume(returning: nil)
            case .wait: wake.yield()
            }
        }
    }

    /// Adds changes and returns at once.
    func note(_ changes: [StoreChange]) {
        guard !changes.isEmpty, !store.storesNothing else { return }
        state.withLock { state in
            for change in changes { state.commits.add(change) }
        }
        wake.yield()
    }

    /// Adds changes that the store may have already. A pending change of the same subject stays, because it is newer.
    func noteIfAbsent(_ changes: [StoreChange]) {
        state.withLock { state in
            for change in changes { state.commits.addIfAbsent(change) }
        }
        wake.yield()
    }

    /// Deletes policies that expired long ago, after the next batch.
    func purge(at now: WallTime) {
        guard !store.storesNothing else { return }
        state.withLock { $0.commits.requestPurge(at: now) }
        wake.yield()
    }

    /// Returns expired policies that a purge found and whose expiry the log does not have. Omits those with a pending change.
    func takeExpired() -> [StoredPolicy] {
        state.withLock { state in
            guard !state.expired.isEmpty else { return [] }
            defer { state.expired = [] }
            return state.commits.unchanged(state.expired)
        }
    }

    /// Checks with the next batch whether the file still exists. It may be removed while nothing changes for hours.
    func check() {
        guard !store.storesNothing else { return }
        state.withLock { $0.commits.requestCheck() }
        wake.yield()
    }

    /// The pending change of a domain's policy.
    func pending(of domain: PolicyDomain) -> StoreChange? { pending(.policy(domain)) }

    func pending(_ subject: StoreChange.Subject) -> StoreChange? {
        state.withLock { $0.commits.change(of: subject) }
    }

    /// Whether a change of an override or of observe mode is pending.
    var hasPendingOverrides: Bool { state.withLock(\.commits.hasPendingOverrides) }

    /// The number of pending changes, and the error because of which they are pending.
    var backlog: (count: Int, failure: StoreError?) {
        state.withLock { ($0.commits.count, $0.commits.failure) }
    }

    // MARK: Writing

    /// Opens the store and writes batches until its task is cancelled.
    ///
    /// - Parameter onLost: called if the store was removed or replaced, so that it lacks what was committed before.
    func run(onLost: @Sendable () async -> Void) async {
        guard !store.storesNothing else { return }
        var pause = RetryPause()
        while !Task.isCancelled {
            do throws(StoreError) {
                try await open(onLost: onLost)
                // A store that opens may still fail to write.
                try await writePending()
                recover()
                pause = RetryPause()
                for await _ in calls {
                    // Another task's batch failed, so the store has to be opened again.
                    guard state.withLock({ $0.commits.failure == nil }) else { break }
                    try await writePending()
                }
            } catch {
                // The daemon stops; `end` writes the rest.
                if Task.isCancelled {
                    resume(state.withLock { $0.commits.fail(error) })
                    break
                }
                fail(error)
                try? await sleep(pause.next())
            }
        }
        resume(state.withLock { $0.commits.end() })
    }

    /// Writes the last changes and closes the store. Call it after `run`.
    ///
    /// - Parameter onLost: as for `run`. The changes that it notes are still written.
    func end(onLost: @Sendable () async -> Void) async {
        guard !store.storesNothing else { return }
        state.withLock { $0.commits.requestCheck() }
        do throws(StoreError) {
            try await writePending()
        } catch {
            fail(error)
            await tryOnceMore(onLost: onLost)
        }
        let unwritten = state.withLock { $0.commits.count + $0.commits.dropped }
        if unwritten > 0 { health.endedWithUnwritten(unwritten) }
        await store.close()
    }

    private func open(onLost: @Sendable () async -> Void) async throws(StoreError) {
        let wasTried = state.withLock { state in
            defer { state.wasTried = true }
            return state.wasTried
        }
        // A new file lacks what memory read from the old file or fetched while nothing could be written.
        if try await store.open() == .anew, wasTried { await onLost() }
    }

    /// The file may only have been removed, or the error may be over before the pause is.
    private func tryOnceMore(onLost: @Sendable () async -> Void) async {
        do throws(StoreError) {
            try await open(onLost: onLost)
            try await writePending()
            recover()
        } catch {
            fail(error)
        }
    }

    private func writePending() async throws(StoreError) {
        while let batch = state.withLock({ $0.commits.nextBatch() }) { try await write(batch) }
    }

    /// Writes a batch that `GroupCommit` has returned. After an error the caller calls `fail`.
    private func write(_ batch: StoreBatch) async throws(StoreError) {
        if !batch.changes.isEmpty || batch.isCheck { try await store.commit(batch.changes) }
        // After the changes, which may note an expiry that the purge would return.
        if let purge = batch.purge {
            let expired = try await store.purge(at: purge, grace: Self.grace)
            state.withLock { $0.expired = $0.commits.unchanged(expired) }
        }
        let (waiters, isMore) = state.withLock { $0.commits.succeed() }
        if isMore { wake.yield() }
        resume(waiters)
    }

    private func recover() {
        let (wasFailing, pending) = state.withLock { ($0.commits.opened(), $0.commits.count) }
        if wasFailing { health.recovered(.writing, pending: pending) }
    }

    private func fail(_ error: StoreError) {
        let waiters = state.withLock { $0.commits.fail(error) }
        health.failed(error, during: .writing)
        resume(waiters)
    }

    private func resume(_ waiters: [Waiter]) {
        for waiter in waiters { waiter.resume(returning: nil) }
    }
}

/// The pause between two tries of a store that fails: 1 second, doubled each time, at most 30.
struct RetryPause {
    private var current = Duration.seconds(1)

    mutating func next() -> Duration {
        defer { current = min(current * 2, .seconds(30)) }
        return current
    }
}

import MTASTS
import Synchronization

/// Brings changes into the archive, as many at once as have gathered, and goes on trying where it fails.
///
/// One group is committed at a time; what comes meanwhile is the next group. Of several changes of one subject the last
/// one counts. While the archive fails nobody waits for it: changes gather here, and are committed when it works again.
/// Concurrency: any task. Whoever brings a change while nothing is being committed commits it in person, which spares two
/// changes of thread; `run` commits the rest.
/// Fails by: never; trouble is told once (ArchiveAlarm).
/// Not here: what is kept (PolicyLedger), how (SQLiteArchive), what is loaded (ArchiveReader).
final class ArchiveWriter: Sendable {
    private struct State {
        var pending: [ArchiveChange.Subject: ArchiveChange] = [:]
        /// Changes that were not kept because too many were pending already.
        var dropped = 0
        /// Those who wait for their change to be committed, or to be known as delayed.
        var waiting: [ArchiveChange.Subject: [CheckedContinuation<Bool, Never>]] = [:]
        /// It was opened, and works as far as we know.
        var isWorking = false
        /// What it failed with, while it does.
        var failure: ArchiveFailure?
        var isCommitting = false
        /// `run` has ended: nobody is to wait any more.
        var hasEnded = false
        /// Its opening was tried, so that what we know is expected to be in it.
        var wasTried = false
        /// Another process wrote it when we came, and we have not taken it over yet.
        var isAnothersYet: Bool
        var purge: WallTime?
        /// Policies whose end the log does not have, for `takeExpired`.
        var expired: [ArchivedPolicy] = []
        var check = false

        var mayWait: Bool { failure == nil && !hasEnded }

        /// Whether the asker is to commit now; if so, nobody else does until `isCommitting` is reset.
        mutating func begin() -> Bool {
            guard !isCommitting, !pending.isEmpty || purge != nil || check else { return false }
            isCommitting = true
            return true
        }

        /// Adds a change; of an archive that fails for long not more than `limit`, orders apart, which are few.
        mutating func add(_ change: ArchiveChange, limit: Int) {
            guard pending.count < limit || pending[change.subject] != nil || change.isOrder else {
                dropped += 1
                return
            }
            pending[change.subject] = change
        }

        /// Of rows that were read, those to which no change waits to be committed.
        func notPending(_ rows: [ArchivedPolicy]) -> [ArchivedPolicy] {
            rows.filter { pending[.policy($0.domain)] == nil && pending[.policyEnd($0.domain)] == nil }
        }

        /// The next group: first those whose change is waited for.
        func group(atMost size: Int) -> [(key: ArchiveChange.Subject, value: ArchiveChange)] {
            guard pending.count > size else { return pending.map { $0 } }
            var group = waiting.keys.prefix(size).compactMap { subject in pending[subject].map { (subject, $0) } }
            for change in pending where waiting[change.key] == nil {
                guard group.count < size else { break }
                group.append((change.key, change.value))
            }
            return group
        }

        /// Ends the waiting: of those who wait for these changes, or of all.
        mutating func release(_ subjects: [ArchiveChange.Subject]? = nil) -> [CheckedContinuation<Bool, Never>] {
            guard let subjects else {
                defer { waiting = [:] }
                return waiting.values.flatMap { $0 }
            }
            return subjects.flatMap { waiting.removeValue(forKey: $0) ?? [] }
        }
    }

    private let archive: any PolicyArchive
    private let limit: Int
    private let alarm: ArchiveAlarm
    private let sleep: @Sendable (Duration) async throws -> Void
    private let state: Mutex<State>
    private let calls: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// Rows in one transaction: enough that its cost does not count, few enough that nobody waits long.
    private static let groupSize = 1_000
    /// Between two looks whether the process that writes it has ended.
    private static let waitForAnother = Duration.milliseconds(200)
    /// How long a policy whose life is over is kept, should the clock have been ahead.
    private static let grace = Duration.seconds(7 * 86_400)

    /// - Parameter limit: changes that may gather while the archive fails.
    init(
        _ archive: any PolicyArchive, limit: Int = 1_000_000, alarm: ArchiveAlarm,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.archive = archive
        // That one may end before the first opening.
        state = Mutex(State(isAnothersYet: archive.isAnothersYet))
        self.limit = limit
        self.alarm = alarm
        self.sleep = sleep
        (calls, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var keepsNothing: Bool { archive.keepsNothing }

    // MARK: Changes

    /// Returns when the change is durable, or when it is clear that it cannot be now.
    func commit(_ change: ArchiveChange) async {
        guard !archive.keepsNothing else { return }
        state.withLock { $0.add(change, limit: limit) }
        await finish(change)
    }

    /// Returns when what was noted of the subject is durable, or why it cannot be now.
    func kept(_ subject: ArchiveChange.Subject) async -> ArchiveFailure? {
        if let change = pending(subject) { await finish(change) }
        return state.withLock { state in
            guard state.pending[subject] != nil else { return nil }
            return state.failure ?? ArchiveFailure("sts-bridge is stopping")
        }
    }

    private func finish(_ change: ArchiveChange) async {
        let isFirst = await withCheckedContinuation { continuation in
            let isFirst = state.withLock { state -> Bool? in
                // Before the first opening too `run` is waited for: it is at it.
                if state.isWorking, state.begin() { return true }
                // One for which there was no room is not waited for: nobody would ever commit it.
                guard state.mayWait, state.pending[change.subject] != nil else { return false }
                state.waiting[change.subject, default: []].append(continuation)
                return nil
            }
            if let isFirst { continuation.resume(returning: isFirst) } else { wake.yield() }
        }
        guard isFirst else { return }
        do throws(ArchiveFailure) {
            try await commitGroup()
        } catch {
            fail(error)
            wake.yield()
            return
        }
        // More was pending than goes into one group, and this one did not.
        if pending(change.subject) == change { await finish(change) }
    }

    /// The same, without waiting.
    func note(_ changes: [ArchiveChange]) {
        guard !changes.isEmpty, !archive.keepsNothing else { return }
        state.withLock { state in
            for change in changes { state.add(change, limit: limit) }
        }
        wake.yield()
    }

    /// The same, of what may be there already: whatever is pending is newer.
    func noteAgain(_ changes: [ArchiveChange]) {
        state.withLock { state in
            for change in changes where state.pending[change.subject] == nil { state.add(change, limit: limit) }
        }
        wake.yield()
    }

    /// Deletes what has long been over, after the next group.
    func purge(at now: WallTime) {
        guard !archive.keepsNothing else { return }
        state.withLock { $0.purge = now }
        wake.yield()
    }

    /// Policies that a purge found past the end of their life, and whose end the log does not have. Those to which a change
    /// waits to be committed are left out.
    func takeExpired() -> [ArchivedPolicy] {
        state.withLock { state in
            guard !state.expired.isEmpty else { return [] }
            defer { state.expired = [] }
            return state.notPending(state.expired)
        }
    }

    /// Looks, with the next group, whether the archive is still there: it may be removed while nothing changes for hours.
    func check() {
        guard !archive.keepsNothing else { return }
        state.withLock { $0.check = true }
        wake.yield()
    }

    /// What is about to be kept of a domain's policy; `nil`: nothing has changed.
    func pending(of domain: PolicyDomain) -> ArchiveChange? { pending(.policy(domain)) }

    func pending(_ subject: ArchiveChange.Subject) -> ArchiveChange? {
        state.withLock { $0.pending[subject] }
    }

    /// How many changes wait to be committed, and why they cannot be now.
    var backlog: (count: Int, failure: ArchiveFailure?) {
        state.withLock { ($0.pending.count, $0.failure) }
    }

    // MARK: The one that commits

    /// What has become of the archive, for those who know what is to be in it.
    enum Turn: Sendable {
        /// Another process still writes it, and may have written since.
        case awaited
        /// What was committed is there no more: it was removed or replaced. Everything has to be brought again.
        case lost
        /// The process that wrote it has ended, and it is ours: what is in it is the truth, but for what we have noted.
        case inherited
    }

    /// Opens the archive and commits until its task is cancelled.
    func run(onTurn: @Sendable (Turn) async -> Void) async {
        guard !archive.keepsNothing else { return }
        var pause = RetryPause()
        while !Task.isCancelled {
            do throws(ArchiveFailure) {
                guard try await open(onTurn) else {
                    try? await sleep(Self.waitForAnother)
                    continue
                }
                // What has gathered shows whether it really works.
                try await commitPending()
                succeed()
                pause = RetryPause()
                for await _ in calls {
                    // Somebody's own commit has failed: as after one of ours, it has to be opened again.
                    guard !state.withLock({ $0.failure != nil }) else { break }
                    try await commitPending()
                }
            } catch {
                // Whoever cancels us lets `end` do the rest.
                if Task.isCancelled { break }
                fail(error)
                try? await sleep(pause.next())
            }
        }
        for waiter in state.withLock({ state in
            state.hasEnded = true
            return state.release()
        }) { waiter.resume(returning: false) }
    }

    /// The last changes, when nobody brings any more; then the archive is closed.
    ///
    /// - Parameter onTurn: as of `run`; what is brought is still committed.
    func end(onTurn: @Sendable (Turn) async -> Void) async {
        guard !archive.keepsNothing else { return }
        let (isAnothersYet, isIdle) = state.withLock { ($0.isAnothersYet, $0.pending.isEmpty) }
        // An heir that has learnt nothing has nothing to write.
        guard !isAnothersYet || !isIdle else { return await archive.close() }
        if isAnothersYet { await tryOnceMore(onTurn) } else { await commitTheLast(onTurn) }
        let left = state.withLock { $0.pending.count + $0.dropped }
        if left > 0 { alarm.leftBehind(left) }
        await archive.close()
    }

    private func commitTheLast(_ onTurn: @Sendable (Turn) async -> Void) async {
        state.withLock { $0.check = true }
        do throws(ArchiveFailure) {
            try await commitPending()
        } catch {
            fail(error)
            await tryOnceMore(onTurn)
        }
    }

    /// - Returns: whether it is ours to write.
    private func open(_ onTurn: @Sendable (Turn) async -> Void) async throws(ArchiveFailure) -> Bool {
        let opening: ArchiveOpening
        do throws(ArchiveFailure) {
            opening = try await archive.open()
        } catch {
            state.withLock { $0.wasTried = true }
            throw error
        }
        let (isFirst, isHeir) = state.withLock { state in
            if case .later(let reason) = opening {
                state.isAnothersYet = true
                state.failure = reason
                return (false, true)
            }
            defer { (state.wasTried, state.isAnothersYet) = (true, false) }
            return (!state.wasTried, state.isAnothersYet)
        }
        switch opening {
        case .later:
            // Nobody waits for a change to be durable meanwhile.
            for waiter in state.withLock({ $0.release() }) { waiter.resume(returning: false) }
            await onTurn(.awaited)
            return false
        // What was read where it could not be written, or learnt since, is not in a file that was begun anew.
        case .anew: if isHeir { await onTurn(.inherited) } else if !isFirst { await onTurn(.lost) }
        case .unchanged: break
        }
        return true
    }

    /// Perhaps the archive was only removed, or its trouble is over and the pause is not, or another process has let it go.
    private func tryOnceMore(_ onTurn: @Sendable (Turn) async -> Void) async {
        do throws(ArchiveFailure) {
            guard try await open(onTurn) else { return }
            try await commitPending()
            succeed()
        } catch {
            fail(error)
        }
    }

    private func commitPending() async throws(ArchiveFailure) {
        while state.withLock({ $0.begin() }) { try await commitGroup() }
    }

    /// Commits some of what is pending. To be called after `begin` only; what is left then is for `run`.
    private func commitGroup() async throws(ArchiveFailure) {
        let (group, purge, check) = state.withLock { state in
            defer { (state.purge, state.check) = (nil, false) }
            return (state.group(atMost: Self.groupSize), state.purge, state.check)
        }
        do throws(ArchiveFailure) {
            if !group.isEmpty || check { try await archive.commit(group.map(\.value)) }
            // After the commit, which may note the ends that it would return.
            if let purge {
                let expired = try await archive.purge(at: purge, grace: Self.grace)
                state.withLock { $0.expired = $0.notPending(expired) }
            }
        } catch {
            state.withLock { $0.isCommitting = false }
            throw error
        }
        let waiters = state.withLock { state in
            state.isCommitting = false
            // What has changed since stays, and who brought it goes on waiting.
            let done = group.filter { state.pending[$0.key] == $0.value }.map(\.key)
            for subject in done { state.pending[subject] = nil }
            if !state.pending.isEmpty || state.purge != nil { wake.yield() }
            return state.release(done)
        }
        for waiter in waiters { waiter.resume(returning: false) }
    }

    private func succeed() {
        let (wasFailing, pending) = state.withLock { state in
            defer {
                state.isWorking = true
                state.failure = nil
            }
            return (state.failure != nil, state.pending.count)
        }
        if wasFailing { alarm.end(.writing, pending: pending) }
    }

    private func fail(_ failure: ArchiveFailure) {
        let waiters = state.withLock { state in
            state.isWorking = false
            state.failure = failure
            return state.release()
        }
        alarm.raise(failure, .writing)
        for waiter in waiters { waiter.resume(returning: false) }
    }
}

extension ArchiveChange {
    fileprivate var isOrder: Bool {
        switch self {
        case .keep, .remove, .noteEnd: false
        case .order, .lift, .observe: true
        }
    }
}

/// Between two tries of an archive that fails: from 1 second, doubling, to 30.
struct RetryPause {
    private var current = Duration.seconds(1)

    mutating func next() -> Duration {
        defer { current = min(current * 2, .seconds(30)) }
        return current
    }
}

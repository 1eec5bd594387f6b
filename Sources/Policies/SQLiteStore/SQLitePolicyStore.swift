import Dispatch
import MTASTS
import PolicyCaching
import PolicyRuntime
import Synchronization
import TextFormats

/// The store in SQLite: policies and overrides in one file that outlives the process, however it ends.
///
/// Several processes may write one file at once. A later fetch replaces an earlier one, never the reverse.
/// Concurrency: any task. Changes run one after another; one load and one search for a row may run beside them. SQLite blocks,
/// so it runs on dispatch queues. A task that is cancelled does not stop a change half-way.
/// Errors: `StoreError` from everything but `init`, whatever is wrong with the file; what can be read is read even then.
/// `StoreOpenError` from `init` for an error that does not end by trying again.
/// Not here: when to try again, what to commit again (PolicyRuntime).
package final class SQLitePolicyStore: PolicyStore {
    package enum Access: Sendable {
        case readWrite
        /// Like `readWrite`, for a command of the operator: writes a policy even if another process has removed it before.
        case importing
        /// Beside a running daemon: no lock, no migration, no writing.
        case readOnly
    }

    private enum Phase {
        /// A large file at the start: it is read while `open` checks it.
        case unchecked(StoreReaders)
        case writing(StoreConnections)
        case reading(ReadingConnection)
        case failing(StoreError)
        case closed
    }

    private struct State {
        var phase: Phase
        var lock: StoreLock?
        /// How often the file was opened for writing.
        var openings: Int
        /// Whether `open` has reported the result of `init`.
        var isReported = false
    }

    package let storesNothing = false

    private let opener: StoreOpener
    private let message: StoreErrorMessage
    /// Changed on `changes` only, read anywhere.
    private let state: Mutex<State>
    let changes = DispatchQueue(label: "sts-bridge.store.changes")
    private let loads = DispatchQueue(label: "sts-bridge.store.loads")
    private let searches = DispatchQueue(label: "sts-bridge.store.searches")
    private let timeouts = CallTimeouts()
    /// For one change or one row: longer than SQLite waits for another program, shorter than a lookup may take.
    private let timeout: Duration
    /// For a check of the whole file.
    private static let openingTimeout = Duration.seconds(300)

    /// A file of this size is checked in some 5 ms. A larger one is read before it is checked, so that a daemon with many
    /// policies answers at once.
    package static let checkedAtOnce = 1 << 20

    /// Opens the file, and blocks meanwhile. `open` reports a `StoreError`, and checks a large file.
    ///
    /// - Parameters:
    ///   - timeout: how long a change or a row may take. After it the disk counts as not answering.
    ///   - checkedAtOnce: in octets: a smaller file is checked before it is read.
    package init(
        path: String, access: Access = .readWrite, timeout: Duration = .seconds(5),
        checkedAtOnce: Int = SQLitePolicyStore.checkedAtOnce
    ) throws(StoreOpenError) {
        self.timeout = timeout
        opener = StoreOpener(
            files: StoreFiles(path), author: Int64.random(in: .min ... .max), voidsRemovals: access == .importing)
        message = StoreErrorMessage(path)
        var lock: StoreLock?
        let phase: Phase
        do throws(StoreOpener.OpeningError) {
            phase =
                switch access {
                case .readWrite:
                    if let readers = opener.openUnchecked(from: checkedAtOnce, lock: &lock) {
                        .unchecked(readers)
                    } else {
                        .writing(try opener.openForWriting(&lock))
                    }
                case .importing: .writing(try opener.openForWriting(&lock))
                case .readOnly: .reading(try opener.openForReading())
                }
        } catch {
            switch (error, access) {
            case (.permanent(let error), _): throw error
            case (.temporary(let error), .readOnly): throw .unreadable(reason: error.description)
            case (.temporary(let error), .readWrite), (.temporary(let error), .importing): phase = .failing(error)
            }
        }
        state = Mutex(State(phase: phase, lock: lock, openings: 1))
    }

    deinit {
        closeNow()
    }

    /// The ids of the other processes that have the file open for writing, ascending.
    package var otherProcessIDs: [Int32] { state.withLock(\.lock)?.otherProcesses ?? [] }

    package func open() async throws(StoreError) -> StoreOpening {
        // The check of a large file may take long, and a stop does not wait for it.
        try await run(on: changes, timeout: Self.openingTimeout, endsWhenCancelled: true) { () throws(StoreError) in
            try self.openNow()
        }
    }

    package func load(_ take: @escaping @Sendable ([StoredRow]) -> Void) async throws(StoreError) {
        try await run(on: loads, timeout: nil, endsWhenCancelled: true) { () throws(StoreError) in
            try self.read(from: \.loader, busyTimeout: WritingConnection.busyTimeout) { reader throws(StoreError) in
                try reader.load(take)
            }
        }
    }

    package func row(of domain: PolicyDomain) async throws(StoreError) -> StoredRow? {
        try await run(on: searches, timeout: timeout) { () throws(StoreError) in
            try self.read(from: \.finder, busyTimeout: 0) { reader throws(StoreError) in try reader.row(of: domain) }
        }
    }

    package func overrides() async throws(StoreError) -> [StoredOverride] {
        try await run(on: searches, timeout: timeout) { () throws(StoreError) in
            try self.read(from: \.finder, busyTimeout: 0) { reader throws(StoreError) in try reader.overrides() }
        }
    }

    package func commit(_ changes: [StoreChange]) async throws(StoreError) {
        try await run(on: self.changes, timeout: timeout) { () throws(StoreError) in
            try self.connections().commit(changes)
        }
    }

    package func purge(at now: WallTime, grace: Duration) async throws(StoreError) -> [StoredPolicy] {
        try await run(on: changes, timeout: timeout) { () throws(StoreError) in
            try self.connections().purge(at: now, grace: grace)
        }
    }

    package func otherProcesses(since version: StoreVersion?) async throws(StoreError) -> OtherProcesses {
        try await run(on: changes, timeout: timeout) { () throws(StoreError) in
            try self.otherProcessesNow(since: version)
        }
    }

    /// Waits for calls that are under way, puts everything into the one file and closes it. Does not wait for a disk that does
    /// not answer.
    package func close() async {
        try? await run(on: changes, timeout: timeout) { () throws(StoreError) in self.closeNow() }
    }

    // MARK: On the queues

    private var phase: Phase { state.withLock(\.phase) }

    /// Closes the connections of the old phase.
    private func enter(_ phase: Phase) {
        let old = state.withLock { state in
            defer { state.phase = phase }
            return state.phase
        }
        switch old {
        case .unchecked(let readers):
            if case .writing(let connections) = phase, connections.readers === readers { break }
            readers.close()
        case .writing(let connections): connections.close()
        case .reading(let reader): reader.close()
        case .failing, .closed: break
        }
    }

    private func closeNow() {
        enter(.closed)
        state.withLock(\.lock)?.release()
    }

    private func openNow() throws(StoreError) -> StoreOpening {
        let wasReported = state.withLock { state in
            defer { state.isReported = true }
            return state.isReported
        }
        switch phase {
        case .closed: throw message.closed()
        case .unchecked:
            try checkAndOpen()
            return .anew
        case .reading: return wasReported ? .unchanged : .anew
        case .writing(let connections) where connections.isSound:
            try connections.probe()
            return wasReported ? .unchanged : .anew
        case .failing(let error) where !wasReported: throw error
        case .writing, .failing:
            try openAnew()
            return .anew
        }
    }

    /// Checks a file that is only read until now, and opens it for writing.
    private func checkAndOpen() throws(StoreError) {
        guard case .unchecked(let readers) = phase else { return }
        var lock = state.withLock(\.lock)
        defer { state.withLock { $0.lock = lock } }
        do throws(StoreOpener.OpeningError) {
            let isInPlace = opener.isInPlace(readers)
            // The log of the old file must not be there when the new one is opened.
            if !isInPlace { opener.close(readers) }
            enter(.writing(try opener.openForWriting(&lock, readers: isInPlace ? readers : nil)))
        } catch {
            enter(.failing(error.storeError))
            throw error.storeError
        }
    }

    private func openAnew() throws(StoreError) {
        // Until it is open again, reads open the file under its name.
        if case .writing = phase { enter(.failing(message.moved())) }
        var lock = state.withLock(\.lock)
        defer { state.withLock { $0.lock = lock } }
        do throws(StoreOpener.OpeningError) {
            enter(.writing(try opener.openForWriting(&lock)))
            state.withLock { $0.openings += 1 }
        } catch {
            enter(.failing(error.storeError))
            throw error.storeError
        }
    }

    private func connections() throws(StoreError) -> StoreConnections {
        try checkAndOpen()
        switch phase {
        case .unchecked: throw message.closed()
        case .writing(let connections): return connections
        case .reading: throw message.readOnly()
        case .failing(let error): throw error
        case .closed: throw message.closed()
        }
    }

    private func otherProcessesNow(since version: StoreVersion?) throws(StoreError) -> OtherProcesses {
        let connections = try connections()
        let (old, openings) = state.withLock { ($0.lock, $0.openings) }
        let lock: StoreLock
        do throws(StoreOpener.OpeningError) {
            lock = try opener.currentLock(old)
        } catch {
            throw error.storeError
        }
        if lock !== old { state.withLock { $0.lock = lock } }
        let current = StoreVersion(opening: openings, change: try connections.changeNumber())
        let haveChanged = version.map { $0 != current } ?? connections.haveChange(at: current.change)
        return OtherProcesses(
            ids: lock.otherProcesses, version: current, haveChangedStore: haveChanged,
            removals: haveChanged ? try connections.removalsOfOthers() : [])
    }

    /// If the file cannot be written, it is opened for this one read: the next time it may be another file. An error then is
    /// the error that is known already.
    ///
    /// - Parameter busyTimeout: for such a file, if another program has locked it, in seconds. A search for one row must not
    ///   delay the next one.
    private func read<Value>(
        from connection: KeyPath<StoreReaders, ReadingConnection>, busyTimeout: Double,
        _ body: (ReadingConnection) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        switch phase {
        case .closed: throw message.closed()
        case .reading(let reader): return try body(reader)
        case .unchecked(let readers): return try body(readers[keyPath: connection])
        case .writing(let connections): return try body(connections.readers[keyPath: connection])
        case .failing(let knownError):
            guard let reader = try? opener.openForReading(busyTimeout: busyTimeout) else { throw knownError }
            defer { reader.close() }
            do {
                return try body(reader)
            } catch {
                throw knownError
            }
        }
    }

    /// Runs a body that blocks on a queue, and waits for it until the timeout. A body that takes longer runs to its end, but
    /// its result is lost. Cancelling the task ends the wait only if `endsWhenCancelled`.
    private func run<Value: Sendable>(
        on queue: DispatchQueue, timeout: Duration?, endsWhenCancelled: Bool = false,
        _ body: @escaping @Sendable () throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        let first = FirstResult<Value>()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                first.wait(with: continuation)
                // Before the body starts, because its end removes it.
                let call = timeout.map { [message] timeout in
                    timeouts.add(after: timeout) { first.complete(.failure(message.timedOut(after: timeout))) }
                }
                queue.async { [timeouts] in
                    let result = Result(catching: body)
                    if let call { timeouts.remove(call) }
                    first.complete(result)
                }
                if endsWhenCancelled, Task.isCancelled { first.complete(.failure(message.closed())) }
            }
        } onCancel: {
            if endsWhenCancelled { first.complete(.failure(message.closed())) }
        }
        return try result.get()
    }
}

/// The result of a call: the first of several counts.
private final class FirstResult<Value: Sendable>: Sendable {
    private let waiting = Mutex<CheckedContinuation<Result<Value, StoreError>, Never>?>(nil)

    func wait(with continuation: CheckedContinuation<Result<Value, StoreError>, Never>) {
        waiting.withLock { $0 = continuation }
    }

    func complete(_ result: Result<Value, StoreError>) {
        let continuation = waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        continuation?.resume(returning: result)
    }
}

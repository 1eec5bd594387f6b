import Dispatch
import MTASTS
import PolicyService
import Synchronization

/// The archive seam by SQLite: policies and orders in one file that outlives the process, however it ends.
///
/// Concurrency: any task; changes one after another, beside them one loading and one search for a row at a time. SQLite
/// blocks, so it runs on queues of its own; a task that is cancelled does not end a change half-way.
/// Fails by: `ArchiveFailure` from everything but `init`, whatever is wrong with the file; what can be read is read even
/// so. `ArchiveRefusal` from `init` for what no trying again will mend.
/// Not here: when to try again, what to commit again (PolicyService).
package final class SQLiteArchive: PolicyArchive {
    package enum Access: Sendable {
        case readWrite
        /// The same; but where another process writes it, that is read beside it until it ends, and followed: by one at a
        /// time.
        case succession
        /// Beside a running daemon: no lock, no migration, no writing.
        case readOnly
    }

    private enum Phase {
        case writing(ArchiveConnections)
        case reading(ReadingConnection)
        /// Another process writes it. `nil`: it cannot be read either, for now.
        case waiting(ArchiveRefusal, ReadingConnection?)
        case failing(ArchiveFailure)
        case closed
    }

    private struct State {
        var phase: Phase
        var lock: WriterLock?
        /// While another process writes it.
        var heirLock: WriterLock?
        /// Whether `open` has told how the attempt of `init` ended.
        var isTold = false
    }

    package let keepsNothing = false

    private let opener: ArchiveOpener
    private let trouble: ArchiveTrouble
    /// Changed on `changes` only, read anywhere.
    private let state: Mutex<State>
    let changes = DispatchQueue(label: "sts-bridge.archive.changes")
    private let loads = DispatchQueue(label: "sts-bridge.archive.loads")
    private let finds = DispatchQueue(label: "sts-bridge.archive.finds")
    private let alarms = DispatchQueue(label: "sts-bridge.archive.alarms")
    /// For one change or one row: longer than SQLite waits for another program, shorter than a lookup may take.
    private let limit: Duration
    /// For looking through the whole file.
    private static let openingLimit = Duration.seconds(300)

    /// Opens it, and blocks meanwhile. What fails is told by `open`.
    ///
    /// - Parameter limit: how long a change or a row may take; after it the disk counts as not answering.
    package init(
        path: String, access: Access = .readWrite, limit: Duration = .seconds(5)
    ) throws(ArchiveRefusal) {
        self.limit = limit
        opener = ArchiveOpener(files: ArchiveFiles(path))
        trouble = ArchiveTrouble(path)
        var lock: WriterLock?
        var heirLock: WriterLock?
        let phase: Phase
        do throws(ArchiveOpener.Obstacle) {
            phase =
                switch access {
                case .readWrite, .succession: .writing(try opener.openForWriting(&lock))
                case .readOnly: .reading(try opener.openForReading())
                }
        } catch {
            switch (error, access) {
            case (.refusal(let refusal), .succession):
                phase = try Self.waiting(refusal, opener)
                heirLock = try opener.waitingLock()
            case (.refusal(let refusal), _): throw refusal
            case (.failure(let failure), .readOnly): throw .unreadable(reason: failure.description)
            case (.failure(let failure), .readWrite), (.failure(let failure), .succession): phase = .failing(failure)
            }
        }
        state = Mutex(State(phase: phase, lock: lock, heirLock: heirLock))
    }

    /// Beside the process that writes it, if that is what is in the way.
    private static func waiting(_ refusal: ArchiveRefusal, _ opener: ArchiveOpener) throws(ArchiveRefusal) -> Phase {
        guard case .inUse = refusal else { throw refusal }
        do throws(ArchiveOpener.Obstacle) {
            return .waiting(refusal, try opener.openForReading())
        } catch {
            guard case .refusal(.newerSchema(let path)) = error else { return .waiting(refusal, nil) }
            throw .newerSchema(path: path)
        }
    }

    /// The process that writes it, which we wait for; `nil`: it is ours.
    package var predecessor: ArchiveRefusal? {
        guard case .waiting(let refusal, _) = phase else { return nil }
        return refusal
    }

    package var isAnothersYet: Bool { predecessor != nil }

    /// We are about to end: who waits for it learns that it will be free soon.
    package func announceEnd() {
        state.withLock(\.lock)?.announceRelease()
    }

    deinit {
        letGo()
    }

    package func open() async throws(ArchiveFailure) -> ArchiveOpening {
        try await on(changes, atMost: Self.openingLimit) { () throws(ArchiveFailure) in try self.openNow() }
    }

    package func load(_ take: @escaping @Sendable ([ArchivedRow]) -> Void) async throws(ArchiveFailure) {
        try await on(loads, atMost: nil, mayCancel: true) { () throws(ArchiveFailure) in
            try self.read(by: \.loader, patience: WritingConnection.patience) { reader throws(ArchiveFailure) in
                try reader.load(take)
            }
        }
    }

    package func row(of domain: PolicyDomain) async throws(ArchiveFailure) -> ArchivedRow? {
        try await on(finds, atMost: limit) { () throws(ArchiveFailure) in
            try self.read(by: \.finder, patience: 0) { reader throws(ArchiveFailure) in try reader.row(of: domain) }
        }
    }

    package func orders() async throws(ArchiveFailure) -> [ArchivedOrder] {
        try await on(finds, atMost: limit) { () throws(ArchiveFailure) in
            try self.read(by: \.finder, patience: 0) { reader throws(ArchiveFailure) in try reader.orders() }
        }
    }

    package func commit(_ group: [ArchiveChange]) async throws(ArchiveFailure) {
        try await on(changes, atMost: limit) { () throws(ArchiveFailure) in try self.connections().commit(group) }
    }

    package func purge(at now: WallTime, grace: Duration) async throws(ArchiveFailure) -> [ArchivedPolicy] {
        try await on(changes, atMost: limit) { () throws(ArchiveFailure) in
            try self.connections().purge(at: now, grace: grace)
        }
    }

    /// Waits for what is under way, puts everything into the one file and gives it free.
    package func close() async {
        // Whoever ends does not wait for a disk that does not answer.
        try? await on(changes, atMost: limit) { () throws(ArchiveFailure) in
            self.letGo()
        }
    }

    // MARK: On the queues

    private var phase: Phase { state.withLock(\.phase) }

    /// Closes what is open, and goes elsewhere.
    private func move(to phase: Phase) {
        let old = state.withLock { state in
            defer { state.phase = phase }
            return state.phase
        }
        switch old {
        case .writing(let connections): connections.close()
        case .reading(let reader), .waiting(_, let reader?): reader.close()
        case .waiting(_, nil), .failing, .closed: break
        }
    }

    private func letGo() {
        move(to: .closed)
        state.withLock { state in
            state.lock?.release()
            state.heirLock = nil
        }
    }

    /// - Parameter lock: the one to write, if we have it: then we wait no more.
    private func hold(_ lock: WriterLock?) {
        state.withLock { state in
            state.lock = lock
            if lock != nil { state.heirLock = nil }
        }
    }

    private func openNow() throws(ArchiveFailure) -> ArchiveOpening {
        let wasTold = state.withLock { state in
            defer { state.isTold = true }
            return state.isTold
        }
        switch phase {
        case .closed: throw trouble.closed()
        case .reading: return wasTold ? .unchanged : .anew
        case .writing(let connections) where connections.isSound:
            try connections.probe()
            return wasTold ? .unchanged : .anew
        case .waiting: return try follow()
        case .failing(let failure) where !wasTold: throw failure
        case .writing, .failing:
            try openAnew()
            return .anew
        }
    }

    /// Takes the archive over, if the process before us has let it go.
    private func follow() throws(ArchiveFailure) -> ArchiveOpening {
        var lock = state.withLock(\.lock)
        defer { hold(lock) }
        do throws(ArchiveOpener.Obstacle) {
            move(to: .writing(try opener.openForWriting(&lock)))
            return .anew
        } catch .refusal(let refusal) where refusal.isInUse {
            // The reader stays; a file that could not be read may be one that can by now.
            guard case .waiting(_, let reader) = phase else { throw trouble.closed() }
            let newReader = reader ?? (try? opener.openForReading(patience: 0))
            state.withLock { $0.phase = .waiting(refusal, newReader) }
            return .later(ArchiveFailure("\(refusal)"))
        } catch {
            move(to: .failing(error.failure))
            throw error.failure
        }
    }

    private func openAnew() throws(ArchiveFailure) {
        // Until it is open again, what can be read is read under its name.
        if case .writing = phase { move(to: .failing(trouble.moved())) }
        var lock = state.withLock(\.lock)
        defer { hold(lock) }
        do throws(ArchiveOpener.Obstacle) {
            move(to: .writing(try opener.openForWriting(&lock)))
        } catch {
            move(to: .failing(error.failure))
            throw error.failure
        }
    }

    private func connections() throws(ArchiveFailure) -> ArchiveConnections {
        switch phase {
        case .writing(let connections): return connections
        case .reading: throw trouble.readingOnly()
        case .waiting(let refusal, _): throw ArchiveFailure("\(refusal)")
        case .failing(let failure): throw failure
        case .closed: throw trouble.closed()
        }
    }

    /// Where writing is impossible what is there is opened for this once: next time it may be another file. What fails
    /// then is the trouble that is known already.
    ///
    /// - Parameter patience: in seconds, then: for a file that another program has to itself. Who looks for one row stands
    ///   in a queue with others.
    private func read<Value>(
        by usual: KeyPath<ArchiveConnections, ReadingConnection>, patience: Double,
        _ body: (ReadingConnection) throws(ArchiveFailure) -> Value
    ) throws(ArchiveFailure) -> Value {
        switch phase {
        case .closed: throw trouble.closed()
        case .reading(let reader), .waiting(_, let reader?): return try body(reader)
        case .waiting(let refusal, nil): throw ArchiveFailure("\(refusal)")
        case .writing(let connections): return try body(connections[keyPath: usual])
        case .failing(let failure):
            guard let reader = try? opener.openForReading(patience: patience) else { throw failure }
            defer { reader.close() }
            do {
                return try body(reader)
            } catch {
                throw failure
            }
        }
    }

    /// Runs what blocks where it may, and waits no longer than a disk may take to answer: what is done there after that is
    /// done, and nobody hears of it. Cancelling the task ends its waiting only where `mayCancel`.
    private func on<Value: Sendable>(
        _ queue: DispatchQueue, atMost limit: Duration?, mayCancel: Bool = false,
        _ body: @escaping @Sendable () throws(ArchiveFailure) -> Value
    ) async throws(ArchiveFailure) -> Value {
        let ending = Ending<Value>()
        let silent = limit.map(trouble.silent)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                ending.wait(continuation)
                queue.async { ending.come(Result(catching: body)) }
                if let limit, let silent {
                    alarms.asyncAfter(deadline: .now() + .milliseconds(Int(limit.milliseconds))) {
                        ending.come(.failure(silent))
                    }
                }
                if mayCancel, Task.isCancelled { ending.come(.failure(trouble.closed())) }
            }
        } onCancel: {
            if mayCancel { ending.come(.failure(trouble.closed())) }
        }
        return try result.get()
    }
}

/// How a call ends: the first word counts.
private final class Ending<Value: Sendable>: Sendable {
    private let waiting = Mutex<CheckedContinuation<Result<Value, ArchiveFailure>, Never>?>(nil)

    func wait(_ continuation: CheckedContinuation<Result<Value, ArchiveFailure>, Never>) {
        waiting.withLock { $0 = continuation }
    }

    func come(_ result: Result<Value, ArchiveFailure>) {
        let continuation = waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        continuation?.resume(returning: result)
    }
}

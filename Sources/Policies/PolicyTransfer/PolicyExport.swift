import Discovery
import MTASTS
import PolicyCaching
import PolicyRuntime
import Synchronization
import TextFormats

/// Writes the policies of a store that have not expired as lines (`TransferFormat`).
///
/// Limits: memory for a few hundred rows and one line.
/// Errors: `ExportError`. The output then lacks the trailer, and an import refuses it as incomplete.
/// Not here: opening the store; ignoring SIGPIPE, which the caller does if the sink writes to a pipe.
package struct PolicyExport: Sendable {
    private let store: any PolicyStore
    private let now: WallTime

    package init(_ store: any PolicyStore, now: WallTime) {
        self.store = store
        self.now = now
    }

    /// - Parameters:
    ///   - sink: receives one line with its LF. The calls are serial, on the thread on which the store reads. After an
    ///     error it is not called again.
    ///   - onSkippedRow: receives each row that cannot be exported.
    package func run(
        to sink: @escaping @Sendable ([UInt8]) throws -> Void,
        onSkippedRow: @escaping @Sendable (SkippedRow) -> Void = { _ in }
    ) async throws(ExportError) -> ExportSummary {
        guard RFC3339.text(of: now) != nil else { throw ExportError(cause: .clock, summary: ExportSummary()) }
        let writer = ExportWriter(now: now, sink: sink, onSkippedRow: onSkippedRow)
        writer.write(HeaderLine(exportedAt: now))
        do throws(StoreError) {
            try await store.load(writer.write(rows:))
        } catch {
            throw ExportError(cause: .store(error), summary: writer.summary)
        }
        writer.write(TrailerLine(policies: writer.summary.exported))
        if let reason = writer.error { throw ExportError(cause: .sink(reason), summary: writer.summary) }
        return writer.summary
    }
}

/// Connects `PolicyStore.load`, which cannot be stopped, with a sink that can fail. After the first error of the sink it
/// ignores the remaining rows.
///
/// Concurrency: calls are serial. The lock enforces this, also while the sink writes.
private final class ExportWriter: Sendable {
    private struct State {
        var summary = ExportSummary()
        var error: String?
    }

    private let now: WallTime
    private let sink: @Sendable ([UInt8]) throws -> Void
    private let onSkippedRow: @Sendable (SkippedRow) -> Void
    private let state = Mutex(State())

    init(
        now: WallTime, sink: @escaping @Sendable ([UInt8]) throws -> Void,
        onSkippedRow: @escaping @Sendable (SkippedRow) -> Void
    ) {
        self.now = now
        self.sink = sink
        self.onSkippedRow = onSkippedRow
    }

    var summary: ExportSummary { state.withLock(\.summary) }
    /// The first error of the sink.
    var error: String? { state.withLock(\.error) }

    func write(_ line: some Encodable & Sendable) {
        state.withLock { _ = write(line, state: &$0) }
    }

    @Sendable func write(rows: [StoredRow]) {
        state.withLock { state in
            for row in rows {
                guard state.error == nil else { return }
                switch row {
                case .policy(let policy): write(policy, state: &state)
                case .unreadable(let domain, let reason):
                    state.summary.unreadable += 1
                    onSkippedRow(SkippedRow(domain: domain, reason: UntrustedText.printable(reason, limit: 200)))
                }
            }
        }
    }

    private func write(_ policy: StoredPolicy, state: inout State) {
        do throws(LineError) {
            guard let line = try PolicyLine(policy, now: now) else {
                state.summary.expired += 1
                return
            }
            if write(line, state: &state) { state.summary.exported += 1 }
        } catch {
            state.summary.unreadable += 1
            onSkippedRow(SkippedRow(domain: policy.domain.name.text, reason: error.description))
        }
    }

    private func write(_ line: some Encodable, state: inout State) -> Bool {
        guard state.error == nil else { return false }
        do {
            try sink(TransferJSON.encode(line))
            return true
        } catch {
            state.error = UntrustedText.printable("\(error)", limit: 200)
            return false
        }
    }
}

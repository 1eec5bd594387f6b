import Discovery
import MTASTS
import PolicyService
import Synchronization

/// Writes the living policies of an archive as lines (`TransferFormat`).
///
/// Memory: the archive's few hundred rows at a time, and one line.
/// Fails by: `ExportFailure`; what was written until then lacks the last line, and an import will say so.
/// Not here: opening the archive. Whoever writes to a pipe ignores SIGPIPE first.
package struct PolicyExport: Sendable {
    private let archive: any PolicyArchive
    private let now: WallTime

    package init(_ archive: any PolicyArchive, now: WallTime) {
        self.archive = archive
        self.now = now
    }

    /// - Parameters:
    ///   - sink: takes one line with its LF; called in turn, from the thread the archive reads on. After it has thrown it
    ///     is not called any more.
    ///   - leftOut: hears of each policy that cannot be exported.
    package func run(
        to sink: @escaping @Sendable ([UInt8]) throws -> Void,
        leftOut: @escaping @Sendable (ExportOmission) -> Void = { _ in }
    ) async throws(ExportFailure) -> ExportSummary {
        guard let time = RFC3339.text(of: now) else { throw ExportFailure(reason: .clock, done: ExportSummary()) }
        let writer = ExportWriter(now: now, sink: sink, leftOut: leftOut)
        writer.write(TransferHeader(exportedAt: time))
        do throws(ArchiveFailure) {
            try await archive.load(writer.take)
        } catch {
            throw ExportFailure(reason: .archive(error), done: writer.summary)
        }
        writer.write(TransferTrailer(policies: writer.summary.exported))
        if let reason = writer.failure { throw ExportFailure(reason: .sink(reason), done: writer.summary) }
        return writer.summary
    }
}

/// What stands between `PolicyArchive.load`, which cannot be stopped, and a sink that can fail: after the first failure
/// rows are let go by unread, and the failure is there when the loading has ended.
///
/// Concurrency: `take` is called in turn; the lock makes that a fact, and it is held while the sink writes.
private final class ExportWriter: Sendable {
    private struct State {
        var summary = ExportSummary()
        var failure: String?
    }

    private let now: WallTime
    private let sink: @Sendable ([UInt8]) throws -> Void
    private let leftOut: @Sendable (ExportOmission) -> Void
    private let state = Mutex(State())

    init(
        now: WallTime, sink: @escaping @Sendable ([UInt8]) throws -> Void,
        leftOut: @escaping @Sendable (ExportOmission) -> Void
    ) {
        self.now = now
        self.sink = sink
        self.leftOut = leftOut
    }

    var summary: ExportSummary { state.withLock(\.summary) }
    var failure: String? { state.withLock(\.failure) }

    func write(_ line: some Encodable & Sendable) {
        state.withLock { _ = write(line, &$0) }
    }

    @Sendable func take(_ rows: [ArchivedRow]) {
        state.withLock { state in
            for row in rows {
                guard state.failure == nil else { return }
                switch ExportedRow(row, now: now) {
                case .line(let fields):
                    if write(fields, &state) { state.summary.exported += 1 }
                case .expired:
                    state.summary.expired += 1
                case .omitted(let omission):
                    state.summary.unreadable += 1
                    leftOut(omission)
                }
            }
        }
    }

    private func write(_ line: some Encodable, _ state: inout State) -> Bool {
        guard state.failure == nil else { return false }
        do {
            try sink(TransferJSON.line(line))
            return true
        } catch {
            state.failure = RemoteText.printable("\(error)", limit: 200)
            return false
        }
    }
}

/// What becomes of a row.
private enum ExportedRow {
    case line(TransferFields)
    case expired
    case omitted(ExportOmission)

    /// A fetch in the future (the clock is behind) keeps its time, beside the moment since when the clock is behind. Any
    /// other moment in the future counts as now.
    init(_ row: ArchivedRow, now: WallTime) {
        switch row {
        case .unreadable(let domain, let reason):
            self = .omitted(ExportOmission(domain: domain, reason: RemoteText.printable(reason, limit: 200)))
        case .policy(let kept):
            do throws(LineFault) {
                guard kept.text.count <= TransferFormat.maximumText else {
                    throw .textTooLong(octets: kept.text.count)
                }
                // One that cannot be written counts as now, too.
                let last = kept.lastFetch(asOf: now)
                let fetchedAt = RFC3339.text(of: last) == nil ? min(last, now) : last
                let behind = fetchedAt > now ? min(kept.clockBehindSince ?? now, now) : nil
                let held = HeldPolicy(
                    FetchedPolicy(policy: try Self.policy(kept.text), text: kept.text), id: kept.id,
                    fetchedAt: fetchedAt, clockBehindSince: behind)
                guard held.applies(at: now), let fetched = RFC3339.text(of: fetchedAt),
                    let asked = RFC3339.text(of: max(RFC3339.earliest, min(kept.askedAt, now)))
                else {
                    self = .expired
                    return
                }
                self = .line(
                    TransferFields(
                        kept, fetchedAt: fetched, askedAt: asked, clockBehindSince: behind.flatMap(RFC3339.text)))
            } catch {
                self = .omitted(ExportOmission(domain: kept.domain.name.text, reason: error.description))
            }
        }
    }

    private static func policy(_ text: [UInt8]) throws(LineFault) -> STSPolicy {
        do throws(PolicyError) {
            return try STSPolicy(text)
        } catch {
            throw .invalid(error)
        }
    }
}

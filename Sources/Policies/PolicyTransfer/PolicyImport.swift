import MTASTS
import PolicyCaching
import PolicyRuntime
import TextFormats

/// Reads an export (`TransferFormat`) and commits its policies to a store.
///
/// Limits: memory for one line and one group of policies. The store itself keeps a later fetch that another
/// process commits meanwhile.
/// Errors: `IncompleteImportError`. The policies before the error are committed; a file that is not an export commits none.
/// Security: an import never extends the life of a policy and never replaces a later fetch. A time in the future counts as
/// now. A fetch that the exporting host saw in the future counts as the time at which it saw this.
/// Not here: opening the store.
package struct PolicyImport: Sendable {
    private let store: any PolicyStore
    private let now: WallTime

    /// - Parameter now: the start of the import. A policy that is fetched later is newer than all policies of the file.
    package init(into store: any PolicyStore, now: WallTime) {
        self.store = store
        self.now = now
    }

    /// - Parameters:
    ///   - nextChunk: returns the next octets of the file, or `nil` at its end.
    ///   - onRefusedLine: receives each line that is not accepted.
    package nonisolated(nonsending) func run(
        from nextChunk: nonisolated(nonsending) () async throws -> [UInt8]?, onRefusedLine: (RefusedLine) -> Void
    ) async throws(IncompleteImportError) -> ImportSummary {
        var progress = ImportProgress(now: now)
        do throws(ImportError) {
            guard (RFC3339.earliest...RFC3339.latest).contains(now) else { throw .clock }
            guard !store.storesNothing else { throw .noStore }
            try await read(from: nextChunk, progress: &progress, onRefusedLine: onRefusedLine)
        } catch {
            throw IncompleteImportError(cause: error, summary: progress.summary)
        }
        return progress.summary
    }

    /// Commits the policies before an error, unless the store itself failed.
    private nonisolated(nonsending) func read(
        from nextChunk: nonisolated(nonsending) () async throws -> [UInt8]?, progress: inout ImportProgress,
        onRefusedLine: (RefusedLine) -> Void
    ) async throws(ImportError) {
        var lines = LineReader(limit: TransferFormat.maximumLine)
        do throws(ImportError) {
            while let chunk = try await Self.chunk(from: nextChunk) {
                lines.feed(chunk)
                while let line = lines.next() {
                    try progress.add(line, onRefusedLine: onRefusedLine)
                    if progress.group.isFull { try await commitGroup(of: &progress) }
                }
            }
            if let line = lines.finish() { try progress.add(line, onRefusedLine: onRefusedLine) }
            try progress.parser.finish()
        } catch {
            if case .store = error { throw error }
            try await commitGroup(of: &progress)
            throw error
        }
        try await commitGroup(of: &progress)
    }

    private nonisolated(nonsending) static func chunk(
        from nextChunk: nonisolated(nonsending) () async throws -> [UInt8]?
    ) async throws(ImportError) -> [UInt8]? {
        do {
            return try await nextChunk()
        } catch {
            throw .source(UntrustedText.printable("\(error)", limit: 200))
        }
    }

    /// Compares with the store just before the commit: the file may arrive slowly while the store changes.
    private nonisolated(nonsending) func commitGroup(of progress: inout ImportProgress) async throws(ImportError) {
        let policies = progress.group.policies
        guard !policies.isEmpty else { return }
        do throws(StoreError) {
            var changes: [StoreChange] = []
            for policy in policies {
                guard let newer = replacement(for: try await store.row(of: policy.domain), by: policy) else { continue }
                changes.append(.savePolicy(newer))
            }
            if !changes.isEmpty { try await store.commit(changes) }
            progress.summary.imported += changes.count
            progress.summary.older += policies.count - changes.count
            progress.group = ImportGroup(now: now)
        } catch {
            throw .store(error)
        }
    }

    /// Returns the row to write in place of `row`, without its record and failure, which belong to the other policy.
    /// Returns `nil` if the stored policy stays. An unreadable row is replaced. A stored fetch in the future stays, because
    /// no policy of the file is later than now.
    private func replacement(for row: StoredRow?, by policy: StoredPolicy) -> StoredPolicy? {
        guard case .policy(let stored)? = row, (try? STSPolicy(stored.text)) != nil else { return policy }
        guard stored.lastFetch(asOf: now) < policy.latestPossibleFetch(asOf: now) else { return nil }
        // The store keeps the row of a later fetch. It takes an earlier fetch in the future for one unless the new row has it.
        let ahead = stored.previousFetchedAt.flatMap { $0 > now ? $0 : nil }
        return StoredPolicy(
            domain: policy.domain, text: policy.text, id: policy.id, fetchedAt: policy.fetchedAt,
            expiresAt: ahead.map { max($0, policy.fetchedAt) + (policy.expiresAt - policy.fetchedAt) }
                ?? policy.expiresAt,
            lastLookupAt: max(policy.lastLookupAt, min(stored.lastLookupAt, now)),
            clockBehindSince: policy.clockBehindSince, previousFetchedAt: ahead)
    }
}

/// The state of an import between two lines.
private struct ImportProgress {
    var parser: ImportParser
    var group: ImportGroup
    var summary = ImportSummary()

    init(now: WallTime) {
        parser = ImportParser(now: now)
        group = ImportGroup(now: now)
    }

    mutating func add(_ line: LineReader.Line, onRefusedLine: (RefusedLine) -> Void) throws(ImportError) {
        switch try parser.parse(line) {
        case nil: return
        case .policy(let policy): if !group.add(policy) { summary.older += 1 }
        case .expired: summary.expired += 1
        case .refused(let line):
            summary.refused += 1
            onRefusedLine(line)
        }
    }
}

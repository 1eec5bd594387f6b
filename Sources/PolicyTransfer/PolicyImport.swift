import MTASTS
import PolicyService

/// Reads lines (`TransferFormat`) and keeps their policies in an archive.
///
/// Promises: no life is extended, and nothing that was fetched later is overwritten. A moment in the future counts as
/// now; a fetch that the exporting host saw in the future counts as the moment at which it saw that.
/// Memory: one line, and one group of policies.
/// Fails by: `ImportFailure`, having committed what was good until then; of a file that is no export nothing.
/// Not here: opening the archive, and telling a running daemon.
/// Bugs: a group is compared with the archive just before it is committed; what another writer commits in between is
/// overwritten, for the seam has no commit with a condition. So a running daemon's archive is written by the daemon only.
package struct PolicyImport: Sendable {
    private let archive: any PolicyArchive
    private let now: WallTime

    /// - Parameter now: when the import began; a policy that is fetched while it runs is newer than all of the file.
    package init(into archive: any PolicyArchive, now: WallTime) {
        self.archive = archive
        self.now = now
    }

    /// - Parameters:
    ///   - next: the file's next octets, however many; `nil` at its end.
    ///   - refused: hears of each line that is not taken.
    package nonisolated(nonsending) func run(
        from next: nonisolated(nonsending) () async throws -> [UInt8]?, refused: (LineRefusal) -> Void
    ) async throws(ImportFailure) -> ImportSummary {
        var summary = ImportSummary()
        do throws(ImportFailure.Reason) {
            guard (RFC3339.earliest...RFC3339.latest).contains(now) else { throw .clock }
            guard !archive.keepsNothing else { throw .nowhere }
            try await read(from: next, refused: refused, &summary)
        } catch {
            throw ImportFailure(reason: error, done: summary)
        }
        return summary
    }

    /// Whatever ends the reading, what was read before is committed.
    private nonisolated(nonsending) func read(
        from next: nonisolated(nonsending) () async throws -> [UInt8]?, refused: (LineRefusal) -> Void,
        _ summary: inout ImportSummary
    ) async throws(ImportFailure.Reason) {
        var lines = LineReader(limit: TransferFormat.maximumLine)
        var reading = ImportReading(now: now)
        var group = ImportGroup(now: now)
        do throws(ImportFailure.Reason) {
            while let octets = try await Self.octets(next) {
                lines.feed(octets)
                while let line = lines.next() {
                    try Self.sort(line, &reading, &group, &summary, refused)
                    if group.isFull { try await commit(&group, &summary) }
                }
            }
            if let line = lines.finish() { try Self.sort(line, &reading, &group, &summary, refused) }
            try reading.finish()
        } catch {
            if case .archive = error { throw error }
            try await commit(&group, &summary)
            throw error
        }
        try await commit(&group, &summary)
    }

    private nonisolated(nonsending) static func octets(
        _ next: nonisolated(nonsending) () async throws -> [UInt8]?
    ) async throws(ImportFailure.Reason) -> [UInt8]? {
        do {
            return try await next()
        } catch {
            throw .source(RemoteText.printable("\(error)", limit: 200))
        }
    }

    private static func sort(
        _ line: LineReader.Line, _ reading: inout ImportReading, _ group: inout ImportGroup,
        _ summary: inout ImportSummary, _ refused: (LineRefusal) -> Void
    ) throws(ImportFailure.Reason) {
        switch try reading.read(line) {
        case nil: return
        case .policy(let policy): if !group.add(policy) { summary.older += 1 }
        case .expired: summary.expired += 1
        case .refused(let refusal):
            summary.refused += 1
            refused(refusal)
        }
    }

    /// Compares now and not when the line was read: the file may come slowly, and the archive lives on.
    private nonisolated(nonsending) func commit(
        _ group: inout ImportGroup, _ summary: inout ImportSummary
    ) async throws(ImportFailure.Reason) {
        guard !group.policies.isEmpty else { return }
        do throws(ArchiveFailure) {
            var changes: [ArchiveChange] = []
            for policy in group.policies {
                guard let change = change(to: try await archive.row(of: policy.domain), by: policy) else { continue }
                changes.append(.keep(change))
            }
            if !changes.isEmpty { try await archive.commit(changes) }
            summary.imported += changes.count
            summary.older += group.policies.count - changes.count
            group = ImportGroup(now: now)
        } catch {
            throw .archive(error)
        }
    }

    /// What takes the place of the held row, without its record and failure, which belong to the other policy; `nil`
    /// where the held one stays. One that cannot be read is none. One from the future stays: nothing in the file is later
    /// than now.
    private func change(to held: ArchivedRow?, by policy: ArchivedPolicy) -> ArchivedPolicy? {
        guard case .policy(let held)? = held, (try? STSPolicy(held.text)) != nil else { return policy }
        guard held.lastFetch(asOf: now) < policy.latestPossibleFetch(asOf: now) else { return nil }
        return ArchivedPolicy(
            domain: policy.domain, text: policy.text, id: policy.id, fetchedAt: policy.fetchedAt,
            expiresAt: policy.expiresAt, askedAt: max(policy.askedAt, min(held.askedAt, now)),
            clockBehindSince: policy.clockBehindSince)
    }
}

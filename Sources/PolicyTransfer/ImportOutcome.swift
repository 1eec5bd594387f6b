import MTASTS
import PolicyService

/// What became of the file's policies: each line of one is counted once.
package struct ImportSummary: Equatable, Sendable {
    /// Committed.
    package var imported = 0
    /// Passed over: their life is over.
    package var expired = 0
    /// Passed over: the archive, or the file itself, has one of the domain that was fetched no earlier.
    package var older = 0
    /// Not taken, and reported one by one.
    package var refused = 0

    package init(imported: Int = 0, expired: Int = 0, older: Int = 0, refused: Int = 0) {
        self.imported = imported
        self.expired = expired
        self.older = older
        self.refused = refused
    }
}

/// Why an import is not complete.
package struct ImportFailure: Error, Equatable, Sendable {
    package enum Reason: Error, Equatable, Sendable {
        /// This host's clock is so wrong that everything would count as fetched then.
        case clock
        /// The export is dated later than this host's clock.
        case fromTheFuture(exportedAt: WallTime, now: WallTime)
        /// The archive is one that keeps nothing.
        case nowhere
        case empty
        /// The first line is no header.
        case header(line: Int, LineFault)
        /// Escaped.
        case otherFormat(String)
        case otherVersion(Int)
        /// There is no last line.
        case endsEarly(afterLine: Int)
        /// Lines are missing in the middle, or were added.
        case miscounted(said: Int, found: Int)
        /// There is more behind the last line.
        case goesOn(line: Int)
        /// In the words of whoever could not read.
        case source(String)
        case archive(ArchiveFailure)
    }

    package let reason: Reason
    /// What was done all the same.
    package let done: ImportSummary
}

extension ImportFailure: CustomStringConvertible {
    package var description: String {
        let rest = done.imported == 0 ? "nothing was imported" : "imported all the same: \(done.imported)"
        return "\(reason); \(rest)"
    }
}

extension ImportFailure.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .clock: "the clock of this host is wrong: the year is not within 2000 and 9999"
        case .fromTheFuture(let exportedAt, let now):
            "the export is dated \(RFC3339.shown(exportedAt)), and the clock of this host says \(RFC3339.shown(now)): no life "
                + "could be counted; set the clock that is wrong, here or where the export was made, and export again"
        case .nowhere: "cache.store is memory, so that there is nothing to import into"
        case .empty: "the file is empty; expected an export of sts-bridge"
        case .header(let line, let fault):
            "line \(line): \(fault); expected the first line of an export, with 'format', 'version' and 'exported-at'"
        case .otherFormat(let name): "the file's format is \"\(name)\"; expected \"\(TransferFormat.name)\""
        case .otherVersion(let version):
            "the file has version \(version) of the format; this sts-bridge reads version \(TransferFormat.version)"
        case .endsEarly(let line):
            "the file ends early, after line \(line): its last line, {\"policies\":…}, is missing, and so may others be"
        case .miscounted(let said, let found):
            "the file was changed: its last line tells of \(said) policies, and \(found) lines came before it"
        case .goesOn(let line):
            "line \(line): the file goes on after its last line, {\"policies\":…}; the rest was not read"
        case .source(let words): "the file could not be read to its end: \(words)"
        case .archive(let failure): failure.description
        }
    }
}

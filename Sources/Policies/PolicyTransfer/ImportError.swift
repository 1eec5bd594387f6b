import MTASTS
import PolicyCaching
import TextFormats

/// The number of policy lines of a file by what the import did with them.
package struct ImportSummary: Equatable, Sendable {
    package var imported = 0
    package var expired = 0
    /// The store, or another line of the file, has a policy of the domain that is as new or newer.
    package var older = 0
    /// Each of these is also reported as a `RefusedLine`.
    package var refused = 0

    package init(imported: Int = 0, expired: Int = 0, older: Int = 0, refused: Int = 0) {
        self.imported = imported
        self.expired = expired
        self.older = older
        self.refused = refused
    }
}

/// The import stopped before the end of the file.
package struct IncompleteImportError: Error, Equatable, Sendable {
    package let cause: ImportError
    /// The lines until then. Their policies are in the store.
    package let summary: ImportSummary
}

extension IncompleteImportError: CustomStringConvertible {
    package var description: String {
        summary.imported == 0
            ? "\(cause); nothing was imported"
            : "\(cause); \(summary.imported) policies were imported"
    }
}

/// Why an import stops.
package enum ImportError: Error, Equatable, Sendable {
    /// The clock of this host is wrong, so every policy would seem to be from the future.
    case clock
    /// The header has a later time than the clock of this host.
    case fromTheFuture(exportedAt: WallTime, now: WallTime)
    /// The store is `NoStore`.
    case noStore
    case empty
    /// The first line is not a header.
    case header(line: Int, LineError)
    /// The name is escaped.
    case otherFormat(String)
    case otherVersion(Int)
    /// The trailer is missing.
    case truncated(afterLine: Int)
    /// The trailer counts more or fewer lines than the file has.
    case miscounted(expected: Int, found: Int)
    /// A line follows the trailer.
    case lineAfterTrailer(line: Int)
    /// The description of the error that reading the file threw.
    case source(String)
    case store(StoreError)
}

extension ImportError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .clock: "the clock of this host is not within the years 2000 to 9999; set the clock and try again"
        case .fromTheFuture(let exportedAt, let now):
            "the export has the time \(RFC3339.clampedText(of: exportedAt)), but the clock of this host shows "
                + "\(RFC3339.clampedText(of: now)); set the clock that is wrong, here or on the exporting host, "
                + "and export again"
        case .noStore: "cache.store is memory, so there is no cache file to import into; set cache.store to sqlite"
        case .empty: "the file is empty; expected an export of sts-bridge"
        case .header(let line, let error):
            "line \(line): \(error); expected the first line of an export, with 'format', 'version' and 'exported-at'"
        case .otherFormat(let name): "the file has the format \"\(name)\"; expected \"\(TransferFormat.name)\""
        case .otherVersion(let version):
            "the file has version \(version) of the format; this sts-bridge reads version \(TransferFormat.version)"
        case .truncated(let line):
            "the file ends after line \(line) without its last line, {\"policies\":…}; other lines may be missing too; "
                + "copy the export again"
        case .miscounted(let expected, let found):
            "the last line counts \(expected) policies, but \(found) lines precede it; the file was changed"
        case .lineAfterTrailer(let line):
            "line \(line) follows the last line of the export, {\"policies\":…}; it and the rest were not read"
        case .source(let reason): "cannot read the file to its end: \(reason)"
        case .store(let error): error.description
        }
    }
}

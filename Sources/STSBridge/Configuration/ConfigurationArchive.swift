import PolicyService
import SQLiteArchive

extension Configuration {
    /// Opens what keeps the policies. What can be mended while mail flows is told later, by the archive itself.
    ///
    /// One that another process writes is read beside it, and followed.
    ///
    /// - Throws: `CommandFailure` when the file must not be opened: a newer version has written it, or a third process waits
    ///   for the one that writes it.
    func openArchive() throws(CommandFailure) -> any PolicyArchive {
        switch store {
        case .memory: return NoArchive()
        case .sqlite: return try openSQLiteArchive(.succession)
        }
    }

    /// Refuses a file that `openArchive` refuses for good, and leaves it as it is.
    ///
    /// - Throws: `CommandFailure` when a newer version has written it.
    func checkArchive() throws(CommandFailure) {
        guard store == .sqlite else { return }
        do throws(ArchiveRefusal) {
            _ = try SQLiteArchive(path: cachePath, access: .readOnly)
        } catch {
            if case .newerSchema = error { throw CommandFailure(error) }
        }
    }

    func openSQLiteArchive(_ access: SQLiteArchive.Access) throws(CommandFailure) -> SQLiteArchive {
        guard store == .sqlite else {
            throw CommandFailure(.usage, "cache.store is memory: no policy is kept that could be read or written")
        }
        do throws(ArchiveRefusal) {
            return try SQLiteArchive(path: cachePath, access: access)
        } catch {
            throw CommandFailure(error)
        }
    }
}

extension CommandFailure {
    init(_ refusal: ArchiveRefusal) {
        let status: ExitStatus =
            switch refusal {
            // The other process may end.
            case .inUse, .awaited: .unknown
            case .newerSchema, .missing, .unreadable: .usage
            }
        self.init(status, "\(refusal)")
    }
}

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

    func openSQLiteArchive(_ access: SQLiteArchive.Access) throws(CommandFailure) -> SQLiteArchive {
        guard store == .sqlite else {
            throw CommandFailure(.usage, "cache.store is memory: no policy is kept that could be read or written")
        }
        do {
            return try SQLiteArchive(path: cachePath, access: access)
        } catch {
            throw CommandFailure(.usage, "\(error)")
        }
    }
}

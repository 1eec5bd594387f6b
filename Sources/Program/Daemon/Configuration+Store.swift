import BridgeConfiguration
import PolicyRuntime
import SQLiteStore

extension Configuration {
    /// Opens the store for the policies. The store itself logs errors that do not prevent a start.
    ///
    /// - Throws: `DaemonError` if a newer version has written the file.
    func openStore() throws(DaemonError) -> any PolicyStore {
        switch store {
        case .memory: return NoStore()
        case .sqlite: return try openSQLiteStore(.readWrite)
        }
    }

    /// Checks that `openStore` can use the file, without changing it.
    ///
    /// - Throws: `DaemonError` if a newer version has written the file.
    package func checkStore() throws(DaemonError) {
        guard store == .sqlite else { return }
        do throws(StoreOpenError) {
            _ = try SQLitePolicyStore(path: cachePath, access: .readOnly)
        } catch {
            if case .newerSchema = error { throw DaemonError(error) }
        }
    }

    /// Opens the cache file for a command.
    ///
    /// - Throws: `DaemonError` if there is no cache file, or if it cannot be opened.
    package func openSQLiteStore(_ access: SQLitePolicyStore.Access) throws(DaemonError) -> SQLitePolicyStore {
        guard store == .sqlite else {
            throw DaemonError(
                .configuration, reason: "cache.store is memory, so there is no cache file; set cache.store: sqlite")
        }
        do throws(StoreOpenError) {
            return try SQLitePolicyStore(path: cachePath, access: access)
        } catch {
            throw DaemonError(error)
        }
    }
}

extension DaemonError {
    init(_ error: StoreOpenError) {
        self.init(.configuration, reason: "\(error)")
    }
}

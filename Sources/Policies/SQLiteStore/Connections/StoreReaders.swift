import PolicyCaching

/// The two connections that read a store. They are opened together and work on one file.
///
/// Concurrency: any thread but one of Swift's pool. They wait neither for each other nor for a writer.
/// Errors: `StoreError`.
final class StoreReaders: Sendable {
    /// Shared with the connection that writes.
    let health: FileHealth
    /// For all rows.
    let loader: ReadingConnection
    /// For single rows, which must not wait for `loader`.
    let finder: ReadingConnection
    /// The file that they read.
    let file: FileIdentity
    /// The file and those beside it when it was opened.
    let identities: StoreFiles.Identities
    private let firstChangeNumber: Int

    init(_ files: StoreFiles, file: FileIdentity, health: FileHealth = FileHealth()) throws(StoreError) {
        self.file = file
        self.health = health
        loader = try ReadingConnection(files, health: health)
        finder = try ReadingConnection(files, health: health)
        firstChangeNumber = try finder.changeNumber()
        identities = files.identities()
        guard identities.database == file else {
            close()
            throw StoreErrorMessage(files.name).moved()
        }
    }

    /// Whether something was committed since they were opened.
    func haveChange() throws(StoreError) -> Bool { try finder.changeNumber() != firstChangeNumber }

    /// Waits for calls that are under way. Later calls fail.
    func close() {
        loader.close()
        finder.close()
    }
}

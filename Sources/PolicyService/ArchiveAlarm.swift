import Synchronization

/// Tells of an archive that does not work: each kind of trouble once, until it works again.
final class ArchiveAlarm: Sendable {
    private let log: ChangeLog
    private let told = Mutex<Set<String>>([])
    /// Causes are few; a text that differs each time must not grow for ever.
    private static let maximumTold = 16

    init(log: ChangeLog) {
        self.log = log
    }

    func raise(_ failure: ArchiveFailure) {
        let isNews = told.withLock { told in
            if told.count >= Self.maximumTold { told = [] }
            return told.insert(failure.description).inserted
        }
        if isNews { log.archiveFailed(failure) }
    }

    /// - Parameter pending: changes that wait to be committed.
    func end(pending: Int) {
        told.withLock { $0 = [] }
        log.archiveRecovered(pending: pending)
    }

    func leftBehind(_ count: Int) {
        log.leftBehind(count)
    }
}

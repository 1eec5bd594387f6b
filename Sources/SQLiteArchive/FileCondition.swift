import GRDB
import PolicyService
import Synchronization

/// What several connections to one file found out about it, as far as it outlasts the call.
final class FileCondition: Sendable {
    private let damage = Atomic<Bool>(false)
    private let fullness = Atomic<Bool>(false)

    /// The file itself is wrong.
    var isDamaged: Bool { damage.load(ordering: .relaxed) }
    /// The last change did not fit on the disk.
    var isFull: Bool { fullness.load(ordering: .relaxed) }

    /// The failure that an error is, and noted what it tells.
    func noted(_ error: any Error, _ trouble: ArchiveTrouble) -> ArchiveFailure {
        guard let error = error as? DatabaseError else { return trouble.failure(error) }
        if error.isDamage { damage.store(true, ordering: .relaxed) }
        if error.isFullness { fullness.store(true, ordering: .relaxed) }
        return trouble.failure(error)
    }

    func changeSucceeded() { fullness.store(false, ordering: .relaxed) }
}

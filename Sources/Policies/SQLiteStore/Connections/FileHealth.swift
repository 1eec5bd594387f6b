import GRDB
import PolicyCaching
import Synchronization

/// What the connections to one file found wrong with it.
final class FileHealth: Sendable {
    private let damage = Atomic<Bool>(false)
    private let fullness = Atomic<Bool>(false)

    /// The file itself is damaged.
    var isDamaged: Bool { damage.load(ordering: .relaxed) }
    /// The last change did not fit on the disk.
    var isFull: Bool { fullness.load(ordering: .relaxed) }

    /// Notes what an error says about the file, and returns it as a `StoreError`.
    func record(_ error: any Error, message: StoreErrorMessage) -> StoreError {
        guard let error = error as? DatabaseError else { return message.failure(error) }
        if error.isDamage { damage.store(true, ordering: .relaxed) }
        if error.isFullness { fullness.store(true, ordering: .relaxed) }
        return message.failure(error)
    }

    func changeSucceeded() { fullness.store(false, ordering: .relaxed) }
}

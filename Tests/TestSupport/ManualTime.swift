import PolicyService
import Synchronization

/// Wall time that moves when a test says so.
package final class ManualTime: Sendable {
    private let current: Mutex<WallTime>

    /// 2026-01-01T00:00:00Z unless told.
    package init(_ start: WallTime = WallTime(milliseconds: 1_767_225_600_000)) {
        current = Mutex(start)
    }

    package var now: WallTime { current.withLock { $0 } }

    package func advance(_ span: Duration) {
        current.withLock { $0 = $0 + span }
    }
}

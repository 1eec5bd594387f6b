import Foundation
import Glibc
import PolicyService

extension WallTime {
    /// What the system's clock says.
    static var current: WallTime { WallTime(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000)) }
}

extension Duration {
    /// The time since boot, suspended time included: a clock that nobody sets (clock_gettime(2), CLOCK_BOOTTIME).
    static var sinceBoot: Duration {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}

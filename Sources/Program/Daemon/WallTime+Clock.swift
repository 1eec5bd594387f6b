import Foundation
import Glibc
import TextFormats

extension WallTime {
    /// The time of the system clock, to the millisecond.
    ///
    /// The clock can jump: `Duration.sinceBoot` shows by how much.
    package static var current: WallTime { WallTime(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000)) }
}

extension Duration {
    /// The time since boot, including time in suspend (clock_gettime(2), CLOCK_BOOTTIME).
    ///
    /// This clock cannot be set.
    static var sinceBoot: Duration {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}

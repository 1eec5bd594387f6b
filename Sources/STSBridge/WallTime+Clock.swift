import Foundation
import PolicyService

extension WallTime {
    /// What the system's clock says.
    static var current: WallTime { WallTime(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000)) }
}

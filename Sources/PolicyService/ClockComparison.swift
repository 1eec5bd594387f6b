/// Notices steps of the wall clock by comparing it with a clock that nobody sets (CLOCK_BOOTTIME).
///
/// What NTP does all the time, slewing and small steps, is no step here.
package struct ClockComparison: Sendable {
    private var last: (wall: WallTime, boot: Duration)?

    package init() {}

    /// Smaller steps have no effect on lives of hours and days.
    private static let leastStep = Duration.seconds(60)

    /// - Parameters:
    ///   - wall: the wall clock.
    ///   - boot: the time since boot, suspended time included, read at the same moment.
    /// - Returns: by how much the wall clock was set since the last call, backward below zero; `nil`: it was not.
    package mutating func step(wall: WallTime, boot: Duration) -> Duration? {
        defer { last = (wall, boot) }
        guard let last else { return nil }
        let step = (wall - last.wall) - (boot - last.boot)
        return step >= Self.leastStep || step <= .zero - Self.leastStep ? step : nil
    }
}

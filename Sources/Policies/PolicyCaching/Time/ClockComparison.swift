import TextFormats

/// Detects steps of the wall clock by comparing it with CLOCK_BOOTTIME, which is never set.
///
/// Slewing and small steps, as NTP makes them, do not count.
package struct ClockComparison: Sendable {
    private var last: (wallTime: WallTime, bootTime: Duration)?

    package init() {}

    /// Smaller steps have no effect on lifetimes of hours and days.
    private static let minimumStep = Duration.seconds(60)

    /// - Parameters:
    ///   - wallTime: the time of the wall clock.
    ///   - bootTime: the time since boot, suspended time included, read at the same moment.
    /// - Returns: the step since the last call, negative if the clock was set back; `nil`: there was no step.
    package mutating func step(wallTime: WallTime, bootTime: Duration) -> Duration? {
        defer { last = (wallTime, bootTime) }
        guard let last else { return nil }
        let step = (wallTime - last.wallTime) - (bootTime - last.bootTime)
        return step >= Self.minimumStep || step <= .zero - Self.minimumStep ? step : nil
    }
}

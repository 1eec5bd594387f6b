/// A moment of wall time. `max_age` counts in wall time because a policy must survive a restart (RFC 8461 §3.2).
///
/// Wall clocks jump. To test whether something is fresh, use `isWithin`: it treats a start in the future as a jump of the
/// clock, not as a long life.
package struct WallTime: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package let milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    package static func < (left: WallTime, right: WallTime) -> Bool { left.milliseconds < right.milliseconds }

    package static func + (time: WallTime, span: Duration) -> WallTime {
        WallTime(milliseconds: time.milliseconds + span.milliseconds)
    }

    package static func - (later: WallTime, earlier: WallTime) -> Duration {
        .milliseconds(later.milliseconds - earlier.milliseconds)
    }

    /// Whether this moment is in `start ..< start + span`. `start` may be ahead of this moment within the tolerance.
    package func isWithin(_ span: Duration, of start: WallTime) -> Bool {
        !start.isAhead(of: self) && self < start + span
    }

    /// Whether this moment is after `now` by more than 5 seconds. NTP and the order of two threads explain less.
    package func isAhead(of now: WallTime) -> Bool {
        self > now + Self.tolerance
    }

    private static let tolerance = Duration.seconds(5)
}

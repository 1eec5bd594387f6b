/// A moment of wall time, which is what max_age is counted in: it must survive a restart (RFC 8461 §3.2).
///
/// Wall clocks jump. Whoever asks "is it still fresh?" asks `isWithin`, which takes a moment in the future for a jump
/// and not for a long life.
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

    /// Whether this moment lies in the `span` that began at `start`: at `start` yes, at `start + span` no more.
    package func isWithin(_ span: Duration, of start: WallTime) -> Bool {
        !start.isAhead(of: self) && self < start + span
    }

    /// Whether this moment lies in the future, as seen from `now`, by more than clocks are always set back: by NTP, or
    /// because two threads have read them one after the other.
    func isAhead(of now: WallTime) -> Bool {
        self > now + Self.tolerance
    }

    private static let tolerance = Duration.seconds(5)
}

extension Duration {
    /// Whole milliseconds, rounded down.
    package var milliseconds: Int64 {
        components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
    }
}

import TextFormats

/// Formats times and durations for people. Times are in UTC, to the second, as in the log.
enum TimeFormat {
    /// `2026-11-28T07:00:00Z`.
    static func timestamp(_ time: WallTime) -> String {
        RFC3339.clampedText(of: time).prefix(19) + "Z"
    }

    /// `2026-11-28T07:00:00Z, in 6d 23h`, `…, 2h 5m ago`.
    static func timestamp(_ time: WallTime, relativeTo now: WallTime) -> String {
        "\(timestamp(time)), \(relative(to: time, from: now))"
    }

    /// `in 7d`, `2h 5m ago`, `now`.
    static func relative(to time: WallTime, from now: WallTime) -> String {
        let milliseconds = time.milliseconds - now.milliseconds
        let duration = duration(seconds: (abs(milliseconds) + 500) / 1_000)
        if duration == "0s" { return "now" }
        return milliseconds > 0 ? "in \(duration)" : "\(duration) ago"
    }

    /// The two largest units, rounded: `6d 23h`, `2h 5m`, `12s`.
    static func duration(seconds: Int64) -> String {
        let units: [(letter: String, size: Int64)] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
        for (larger, smaller) in zip(units, units.dropFirst()) {
            // Rounding may reach the larger unit: 59m 59.7s is an hour.
            let count = (max(0, seconds) + smaller.size / 2) / smaller.size
            let (whole, rest) = count.quotientAndRemainder(dividingBy: larger.size / smaller.size)
            if whole > 0 { return "\(whole)\(larger.letter)" + (rest > 0 ? " \(rest)\(smaller.letter)" : "") }
        }
        return "\(max(0, seconds))s"
    }
}

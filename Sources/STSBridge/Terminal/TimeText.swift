import PolicyService

/// Moments and spans for people. Moments are in UTC, to the second, as in the log.
enum TimeText {
    /// `2026-11-28T07:00:00Z`.
    static func moment(_ time: WallTime) -> String {
        // To the second: what is left of the fraction is of no use to a reader.
        RFC3339.shown(time).prefix(19) + "Z"
    }

    /// `2026-11-28T07:00:00Z, in 6d 23h`, `…, 2h 5m ago`.
    static func moment(_ time: WallTime, seenFrom now: WallTime) -> String {
        "\(moment(time)), \(distance(to: time, from: now))"
    }

    /// `in 7d`, `2h 5m ago`, `now`.
    static func distance(to time: WallTime, from now: WallTime) -> String {
        let milliseconds = time.milliseconds - now.milliseconds
        let span = span(seconds: (abs(milliseconds) + 500) / 1_000)
        if span == "0s" { return "now" }
        return milliseconds > 0 ? "in \(span)" : "\(span) ago"
    }

    /// The two largest units, rounded: `6d 23h`, `2h 5m`, `12s`.
    static func span(seconds: Int64) -> String {
        let units: [(letter: String, size: Int64)] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
        for (larger, smaller) in zip(units, units.dropFirst()) {
            // Rounding may lift it into the larger unit: 59m 59.7s is an hour.
            let count = (max(0, seconds) + smaller.size / 2) / smaller.size
            let (whole, rest) = count.quotientAndRemainder(dividingBy: larger.size / smaller.size)
            if whole > 0 { return "\(whole)\(larger.letter)" + (rest > 0 ? " \(rest)\(smaller.letter)" : "") }
        }
        return "\(max(0, seconds))s"
    }
}

/// Reads and writes durations: a whole number with `s`, `m`, `h` or `d`.
package enum DurationFormat {
    package static let expected = "a whole number with s, m, h or d, such as 90s, 5m, 1h, 7d"

    /// In descending order, so that `format` finds the shortest text.
    private static let units: [(letter: Character, seconds: Int)] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]

    /// Seconds: ten years. A longer duration is taken for a mistake.
    private static let longest = 3_650 * 86_400

    package static func parse(_ text: String) -> Duration? {
        guard let last = text.last, let unit = units.first(where: { $0.letter == last }) else { return nil }
        let digits = text.dropLast()
        guard (1...9).contains(digits.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let count = Int(digits), count * unit.seconds <= longest
        else { return nil }
        return .seconds(count * unit.seconds)
    }

    package static func format(_ duration: Duration) -> String {
        let seconds = Int(duration.components.seconds)
        for unit in units where seconds >= unit.seconds && seconds % unit.seconds == 0 {
            return "\(seconds / unit.seconds)\(unit.letter)"
        }
        return "\(seconds)s"
    }
}

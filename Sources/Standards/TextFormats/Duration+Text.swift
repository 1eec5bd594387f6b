extension Duration {
    /// Whole milliseconds, rounded down.
    package var milliseconds: Int64 {
        components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
    }

    /// Whole milliseconds, rounded up, so that a timer does not fire too early; 0 if negative, `Int32.max` at most.
    package var millisecondsRoundedUp: Int32 {
        guard self > .zero else { return 0 }
        guard self < .milliseconds(Int64(Int32.max)) else { return .max }
        let whole = milliseconds
        return Int32(self > .milliseconds(whole) ? whole + 1 : whole)
    }

    /// Milliseconds with a resolution of a microsecond, for a JSON field.
    package var inMilliseconds: Double {
        let microseconds = components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
        return Double(microseconds) / 1_000
    }

    /// The text for a message, such as `5 s` or `0.25 s`, to the millisecond.
    package var inSeconds: String {
        let fraction = milliseconds % 1_000
        guard fraction != 0 else { return "\(components.seconds) s" }
        let digits = String(fraction + 1_000).dropFirst()
        return "\(components.seconds).\(digits.withoutTrailingZeros) s"
    }
}

extension Substring {
    fileprivate var withoutTrailingZeros: Substring {
        guard let last = lastIndex(where: { $0 != "0" }) else { return "" }
        return self[...last]
    }
}

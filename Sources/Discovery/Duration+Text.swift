extension Duration {
    /// `5 s` or `0.25 s`, for a message.
    var inSeconds: String {
        let milliseconds = components.attoseconds / 1_000_000_000_000_000
        guard milliseconds != 0 else { return "\(components.seconds) s" }
        let digits = String(milliseconds + 1_000).dropFirst()
        return "\(components.seconds).\(digits.trimmingZeros) s"
    }
}

extension Substring {
    fileprivate var trimmingZeros: Substring {
        guard let last = lastIndex(where: { $0 != "0" }) else { return "" }
        return self[...last]
    }
}

import TextFormats

/// An optional time in the memory of a time.
struct CompactTime: Sendable {
    /// 292 million years ago: none.
    private var milliseconds = Int64.min

    var time: WallTime? {
        get { milliseconds == .min ? nil : WallTime(milliseconds: milliseconds) }
        set { milliseconds = newValue?.milliseconds ?? .min }
    }
}

/// An optional minute in the memory of a minute.
struct CompactMinute: Sendable {
    /// 4,000 years ago: none.
    private var number = RefreshQueue.Minute.min

    var minute: RefreshQueue.Minute? {
        get { number == .min ? nil : number }
        set { number = newValue ?? .min }
    }
}

import TextFormats

/// Slots of `PolicyCache.entries` by the minute in which their domains have background work.
///
/// Minutes of wall time: a day has 1,440 of them, and background work does not need to be more exact. Slots of one minute
/// have no order. They take less memory than the domains.
struct RefreshQueue: Sendable {
    /// Minutes since 1970. 32 bits last until the year 6053.
    typealias Minute = Int32

    private var minutes: [Minute: Set<Int32>] = [:]
    /// Slots in the queue.
    private(set) var count = 0

    /// The first full minute that is not before `time`.
    static func minute(notBefore time: WallTime) -> Minute {
        Minute(clamping: (time.milliseconds + 59_999) / 60_000)
    }

    /// The current minute.
    static func current(at now: WallTime) -> Minute { Minute(clamping: now.milliseconds / 60_000) }

    /// Slots whose minute has begun.
    func dueCount(at now: WallTime) -> Int {
        let current = Self.current(at: now)
        return minutes.reduce(0) { $1.key <= current ? $0 + $1.value.count : $0 }
    }

    mutating func add(_ slot: Int32, at minute: Minute) {
        guard minutes[minute, default: []].insert(slot).inserted else { return }
        count += 1
    }

    mutating func remove(_ slot: Int32, at minute: Minute) {
        guard minutes[minute]?.remove(slot) != nil else { return }
        count -= 1
        if minutes[minute]?.isEmpty == true { minutes[minute] = nil }
    }

    /// Removes slots whose minute has begun, the longest overdue first.
    mutating func take(at now: WallTime, atMost limit: Int) -> [Int32] {
        let current = Self.current(at: now)
        var taken: [Int32] = []
        while taken.count < limit, let first = minutes.keys.min(), first <= current {
            var slots = minutes.removeValue(forKey: first) ?? []
            while taken.count < limit, let slot = slots.popFirst() { taken.append(slot) }
            if !slots.isEmpty { minutes[first] = slots }
        }
        count -= taken.count
        return taken
    }

    mutating func removeAll() {
        minutes = [:]
        count = 0
    }
}

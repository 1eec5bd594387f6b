import MTASTS

/// Which domains have to be looked after in which minute.
///
/// Minutes of wall time: a day has 1,440 of them, and nothing in the background needs to be more exact. Within a minute
/// the order is a set's, that is none.
struct RefreshCalendar: Sendable {
    /// Minutes since 1970. 32 bits last until the year 6053.
    typealias Minute = Int32

    private var minutes: [Minute: Set<PolicyDomain>] = [:]
    /// Domains with an appointment.
    private(set) var count = 0

    /// The first whole minute that is not before `time`.
    static func minute(notBefore time: WallTime) -> Minute {
        Minute(clamping: (time.milliseconds + 59_999) / 60_000)
    }

    /// The minute that has begun.
    static func current(at now: WallTime) -> Minute { Minute(clamping: now.milliseconds / 60_000) }

    /// Domains whose minute has begun.
    func dueCount(at now: WallTime) -> Int {
        let current = Self.current(at: now)
        return minutes.reduce(0) { $1.key <= current ? $0 + $1.value.count : $0 }
    }

    mutating func add(_ domain: PolicyDomain, at minute: Minute) {
        guard minutes[minute, default: []].insert(domain).inserted else { return }
        count += 1
    }

    mutating func remove(_ domain: PolicyDomain, at minute: Minute) {
        guard minutes[minute]?.remove(domain) != nil else { return }
        count -= 1
        if minutes[minute]?.isEmpty == true { minutes[minute] = nil }
    }

    /// Takes out those whose minute has begun, the longest overdue first.
    mutating func take(at now: WallTime, atMost limit: Int) -> [PolicyDomain] {
        let current = Self.current(at: now)
        var taken: [PolicyDomain] = []
        while taken.count < limit, let first = minutes.keys.min(), first <= current {
            var domains = minutes.removeValue(forKey: first) ?? []
            while taken.count < limit, let domain = domains.popFirst() { taken.append(domain) }
            if !domains.isEmpty { minutes[first] = domains }
        }
        count -= taken.count
        return taken
    }

    mutating func removeAll() {
        minutes = [:]
        count = 0
    }
}

import Discovery

/// How many refreshes may begin now: so many at once, so many a minute, so many at one address.
struct RefreshBudget: Sendable {
    private var settings: RefreshSettings
    /// What may begin, in thousandths of a refresh.
    private var allowance: Int64 = 0
    private var countedAt: WallTime?
    private(set) var inFlight = 0
    private var perAddress: [IPAddress: Int] = [:]

    init(_ settings: RefreshSettings) {
        self.settings = settings
    }

    /// From now on these numbers count; what is under way counts on.
    mutating func use(_ new: RefreshSettings) { settings = new }

    /// How many may begin now.
    ///
    /// What a minute allows is given out as time passes, and saved for 15 seconds at most: no bursts.
    mutating func available(of policies: Int, at now: WallTime) -> Int {
        let perMinute = Int64(settings.perMinute(of: policies))
        let passed = countedAt.map { min(max(0, (now - $0).milliseconds), 60_000) } ?? 15_000
        countedAt = now
        allowance = min(allowance + perMinute * passed / 60, perMinute * 250)
        return min(Int(allowance / 1_000), settings.maximumInFlight - inFlight)
    }

    mutating func begin() {
        inFlight += 1
        allowance -= 1_000
    }

    /// Whether these addresses of a policy host may be dialled; they count until `end`.
    mutating func enter(_ addresses: [IPAddress], inAnyCase: Bool = false) -> Bool {
        let distinct = Set(addresses)
        let isFree = distinct.allSatisfy { perAddress[$0, default: 0] < settings.maximumPerAddress }
        guard isFree || inAnyCase else { return false }
        for address in distinct { perAddress[address, default: 0] += 1 }
        return true
    }

    mutating func end(_ addresses: [IPAddress]) {
        inFlight -= 1
        for address in Set(addresses) {
            let left = perAddress[address, default: 1] - 1
            perAddress[address] = left > 0 ? left : nil
        }
    }
}

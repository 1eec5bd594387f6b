import Discovery
import TextFormats

/// Limits the refreshes that are in progress, that begin in a minute, and that connect to one address.
struct RefreshBudget: Sendable {
    private var settings: RefreshSettings
    /// How much may begin, in thousandths of a refresh.
    private var allowance: Int64 = 0
    private var countedAt: WallTime?
    private(set) var inFlight = 0
    private var perAddress: [IPAddress: Int] = [:]

    init(_ settings: RefreshSettings) {
        self.settings = settings
    }

    /// Uses these settings from now on. Refreshes in progress still count.
    mutating func update(settings new: RefreshSettings) { settings = new }

    /// How many refreshes may begin now.
    ///
    /// The allowance of a minute grows with time, up to that of 15 seconds, so that there are no bursts.
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

    /// Whether a refresh may connect to these addresses of a policy host. They count until `end`.
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

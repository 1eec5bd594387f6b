/// The background refresh: RFC 8461 §3.3 and §10.2 ask for about one a day, whatever the id is.
package struct RefreshSettings: Equatable, Sendable {
    /// A policy is fetched again within this time, or within half its lifetime if that is shorter.
    package var interval: Duration
    /// The minimum interval between two successful fetches. A policy with a shorter lifetime is not refreshed in the
    /// background.
    package var minimumInterval: Duration
    /// A policy without a lookup in this time is not refreshed. It applies until it expires.
    package var inUse: Duration
    /// The longest pause after failed fetches. The first is `CacheSettings.retryAfter`; each next one is twice as long.
    package var maximumPause: Duration
    /// Refreshes in progress. Most fetch slots stay free for lookups.
    package var maximumInFlight: Int
    /// Refreshes in progress at one address of a policy host: thousands of domains share their provider's address.
    package var maximumPerAddress: Int
    /// Refreshes that begin in a minute: at least this many, and twice the rate that all policies need in a day.
    package var minimumPerMinute: Int

    package init(
        interval: Duration = .seconds(86_400), minimumInterval: Duration = .seconds(3_600),
        inUse: Duration = .seconds(30 * 86_400), maximumPause: Duration = .seconds(6 * 3_600),
        maximumInFlight: Int = 16, maximumPerAddress: Int = 4, minimumPerMinute: Int = 60
    ) {
        self.interval = interval
        self.minimumInterval = minimumInterval
        self.inUse = inUse
        self.maximumPause = maximumPause
        self.maximumInFlight = maximumInFlight
        self.maximumPerAddress = maximumPerAddress
        self.minimumPerMinute = minimumPerMinute
    }

    /// How many refreshes may begin in a minute, for this number of policies.
    func perMinute(of policies: Int) -> Int {
        max(minimumPerMinute, policies * 2 / 1_440)
    }

    /// The interval after which a policy of this lifetime is refreshed; `nil`: its lifetime is too short.
    func interval(forLifetime lifetime: Duration) -> Duration? {
        let interval = max(minimumInterval, min(interval, lifetime / 2))
        return interval < lifetime ? interval : nil
    }

    /// The pause after this number of consecutive failures.
    func pause(after failures: Int, first: Duration) -> Duration {
        // 2²⁰ times one second is more than any longest pause.
        min(maximumPause, first * (1 << min(max(failures, 1) - 1, 20)))
    }
}

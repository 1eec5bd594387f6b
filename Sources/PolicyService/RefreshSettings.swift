/// How policies are fetched again in the background: RFC 8461 §3.3 and §10.2 ask for about once a day, whatever the id says.
package struct RefreshSettings: Equatable, Sendable {
    /// A policy is fetched again within this time, or within half its life where that is shorter.
    package var interval: Duration
    /// No policy is fetched more often than this while all is well; one that lives no longer than this is left to the
    /// next lookup.
    package var leastInterval: Duration
    /// A policy that nobody asked for in this time is not fetched again; it applies until its life ends.
    package var inUse: Duration
    /// The longest pause after failed fetches; the first is `LedgerSettings.retryAfter`, each next one twice as long.
    package var longestPause: Duration
    /// Refreshes under way, so that most of the fetcher is left to lookups.
    package var maximumInFlight: Int
    /// Refreshes under way at one address of a policy host: thousands of domains share their provider's.
    package var maximumPerAddress: Int
    /// Refreshes begun in a minute: at least this many, and twice what all would need in a day.
    package var leastPerMinute: Int

    package init(
        interval: Duration = .seconds(86_400), leastInterval: Duration = .seconds(3_600),
        inUse: Duration = .seconds(30 * 86_400), longestPause: Duration = .seconds(6 * 3_600),
        maximumInFlight: Int = 16, maximumPerAddress: Int = 4, leastPerMinute: Int = 60
    ) {
        self.interval = interval
        self.leastInterval = leastInterval
        self.inUse = inUse
        self.longestPause = longestPause
        self.maximumInFlight = maximumInFlight
        self.maximumPerAddress = maximumPerAddress
        self.leastPerMinute = leastPerMinute
    }

    /// How many may begin in a minute where so many policies are refreshed.
    func perMinute(of policies: Int) -> Int {
        max(leastPerMinute, policies * 2 / 1_440)
    }

    /// The span after which a policy of this life is fetched again; `nil`: it is too short-lived for that.
    func interval(forLife life: Duration) -> Duration? {
        let interval = max(leastInterval, min(interval, life / 2))
        return interval < life ? interval : nil
    }

    /// The pause after so many failed fetches in a row.
    func pause(after failures: Int, first: Duration) -> Duration {
        // 2²⁰ times one second is more than any longest pause.
        min(longestPause, first * (1 << min(max(failures, 1) - 1, 20)))
    }
}

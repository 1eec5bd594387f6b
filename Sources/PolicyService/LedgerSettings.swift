/// The numbers by which the ledger remembers.
package struct LedgerSettings: Equatable, Sendable {
    /// TTLs below this are raised to it: seconds, so that no lookup storm becomes a query storm. Also how long a
    /// failed query is remembered.
    package var minimumTTL: Duration
    /// TTLs above this are cut to it, so that a new id is seen within the hour.
    package var maximumTTL: Duration
    /// The least time between two fetches for the same id after a failure (RFC 8461 §3.3: at least 5 minutes).
    package var retryAfter: Duration
    /// How long a failure of this host (no descriptor, no route, no fetch slot) is remembered; it says nothing about the
    /// domain, and the next try may succeed.
    package var localFailureLifetime: Duration
    /// Domains in memory; what goes first is in `Entry.rank`.
    package var maximumDomains: Int
    /// How long a lookup waits for news when there is something to answer with already.
    package var patience: Duration
    /// The least time between two fetches of one domain, which bounds the fetches for `max_age: 0`.
    package var fetchInterval: Duration
    /// Fetching again in the background.
    package var refresh: RefreshSettings

    package init(
        minimumTTL: Duration = .seconds(60), maximumTTL: Duration = .seconds(3_600),
        retryAfter: Duration = .seconds(300), localFailureLifetime: Duration = .seconds(2),
        maximumDomains: Int = 1_000_000, patience: Duration = .seconds(2), fetchInterval: Duration = .seconds(1),
        refresh: RefreshSettings = RefreshSettings()
    ) {
        self.minimumTTL = minimumTTL
        self.maximumTTL = maximumTTL
        self.retryAfter = retryAfter
        self.localFailureLifetime = localFailureLifetime
        self.maximumDomains = maximumDomains
        self.patience = patience
        self.fetchInterval = fetchInterval
        self.refresh = refresh
    }
}

extension LedgerSettings {
    /// How long an answer of this TTL in seconds is kept.
    func lifetime(ofTTL seconds: UInt32) -> Duration {
        min(max(.seconds(seconds), minimumTTL), maximumTTL)
    }

    /// What is left of the patience with a flight, which all wait for together; `nil`: nothing.
    func patienceLeft(since start: WallTime, at now: WallTime) -> Duration? {
        let left = patience - max(.zero, now - start)
        return left > .zero ? left : nil
    }
}

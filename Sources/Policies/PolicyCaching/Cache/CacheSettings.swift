import TextFormats

/// How long and how much the cache keeps.
package struct CacheSettings: Equatable, Sendable {
    /// Shorter TTLs are raised to this, so that many lookups do not become many queries. Also how long a failed query is
    /// cached.
    package var minimumTTL: Duration
    /// Longer TTLs are reduced to this, so that a new id is seen within the hour.
    package var maximumTTL: Duration
    /// The minimum interval between two fetches for the same id after a failure (RFC 8461 §3.3: at least 5 minutes).
    package var retryAfter: Duration
    /// How long an error of this host (no descriptor, no route, no fetch slot) is cached. It proves nothing about the domain,
    /// and the next try may succeed.
    package var localFailureLifetime: Duration
    /// Domains in memory; what goes first is in `CacheEntry.priority`.
    package var maximumDomains: Int
    /// How long a lookup waits for a newer answer if it can be answered from the cache.
    package var maximumWait: Duration
    /// The minimum interval between two fetches of one domain. It limits the fetches for `max_age: 0`.
    package var fetchInterval: Duration
    /// The background refresh.
    package var refresh: RefreshSettings

    package init(
        minimumTTL: Duration = .seconds(60), maximumTTL: Duration = .seconds(3_600),
        retryAfter: Duration = .seconds(300), localFailureLifetime: Duration = .seconds(2),
        maximumDomains: Int = 1_000_000, maximumWait: Duration = .seconds(2), fetchInterval: Duration = .seconds(1),
        refresh: RefreshSettings = RefreshSettings()
    ) {
        self.minimumTTL = minimumTTL
        self.maximumTTL = maximumTTL
        self.retryAfter = retryAfter
        self.localFailureLifetime = localFailureLifetime
        self.maximumDomains = maximumDomains
        self.maximumWait = maximumWait
        self.fetchInterval = fetchInterval
        self.refresh = refresh
    }
}

/// The pause between a failed fetch and the next fetch for the same id.
struct FetchPauses: Equatable, Sendable {
    var afterFailure: Duration
    /// After an error of this host.
    var afterLocalFailure: Duration

    static let none = FetchPauses(afterFailure: .zero, afterLocalFailure: .zero)
}

extension CacheSettings {
    var pauses: FetchPauses { FetchPauses(afterFailure: retryAfter, afterLocalFailure: localFailureLifetime) }

    /// How long an answer with this TTL, in seconds, is fresh.
    func lifetime(ofTTL seconds: UInt32) -> Duration {
        min(max(.seconds(seconds), minimumTTL), maximumTTL)
    }

    /// The rest of `maximumWait` for a flight, which all lookups share; `nil`: nothing is left.
    func remainingWait(since start: WallTime, at now: WallTime) -> Duration? {
        let left = maximumWait - max(.zero, now - start)
        return left > .zero ? left : nil
    }
}

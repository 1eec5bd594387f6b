import MTASTS
import TextFormats

/// The number of known domains and what needs attention, for `status` and the metrics.
package struct CacheStatistics: Equatable, Sendable {
    /// A domain and the time of its expiry or fetch.
    package struct DomainTime: Equatable, Sendable {
        package let domain: PolicyDomain
        package let time: WallTime

        package init(domain: PolicyDomain, time: WallTime) {
            self.domain = domain
            self.time = time
        }
    }

    package let at: WallTime
    /// Domains in memory, by state.
    package let counts: [EntryState: Int]
    /// Domains whose last TXT query or fetch failed, without those of mode `none`.
    package let failing: Int
    /// The policy in use that expires first, without those of mode `none`.
    package let soonestExpiry: DomainTime?
    /// The first to expire of those that cannot be refreshed now.
    package let soonestFailingExpiry: DomainTime?
    /// The policy in use with the oldest fetch.
    package let oldestFetch: DomainTime?
    /// Discoveries and refreshes in progress.
    package let flights: Int
    /// Policies that are refreshed in the background.
    package let refreshed: Int
    /// Policies whose refresh is due and waits for its turn.
    package let refreshesDue: Int
    /// Destinations with a DANE result.
    package let findings: Int
    /// Exempted and pinned domains.
    package let exempted: Int
    package let pinned: Int
    /// Whether memory has everything that the store has. If not, a lookup of a domain that is not in memory reads the store.
    package let isLoaded: Bool
    /// Changes that are not written into the store yet.
    package let unwritten: Int
    /// Why the store cannot be written now.
    package let storeError: StoreError?

    package var domains: Int { counts.values.reduce(0, +) }

    /// How long statistics may be reused. Computing them visits every domain.
    package static let lifetime = Duration.seconds(5)

    package init(
        at: WallTime, counts: [EntryState: Int], failing: Int, soonestExpiry: DomainTime?,
        soonestFailingExpiry: DomainTime?, oldestFetch: DomainTime?, flights: Int, refreshed: Int, refreshesDue: Int,
        findings: Int, exempted: Int, pinned: Int, isLoaded: Bool, unwritten: Int, storeError: StoreError?
    ) {
        self.at = at
        self.counts = counts
        self.failing = failing
        self.soonestExpiry = soonestExpiry
        self.soonestFailingExpiry = soonestFailingExpiry
        self.oldestFetch = oldestFetch
        self.flights = flights
        self.refreshed = refreshed
        self.refreshesDue = refreshesDue
        self.findings = findings
        self.exempted = exempted
        self.pinned = pinned
        self.isLoaded = isLoaded
        self.unwritten = unwritten
        self.storeError = storeError
    }
}

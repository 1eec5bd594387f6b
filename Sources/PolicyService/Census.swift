import MTASTS

/// How many domains we know, and what to worry about: for `status` and the metrics.
package struct Census: Equatable, Sendable {
    /// A policy that stands out, and the time by which it does.
    package struct Notable: Equatable, Sendable {
        package let domain: PolicyDomain
        package let time: WallTime

        package init(domain: PolicyDomain, time: WallTime) {
            self.domain = domain
            self.time = time
        }
    }

    package let at: WallTime
    /// Domains in memory, by what is known of them.
    package let counts: [EntryState: Int]
    /// Domains whose last TXT query or fetch failed, mode `none` apart.
    package let failing: Int
    /// Of the policies in use, mode `none` apart, the one whose life ends first.
    package let soonestExpiry: Notable?
    /// Of those the one that cannot be fetched again now.
    package let soonestFailingExpiry: Notable?
    /// Of the policies in use the one that was fetched longest ago.
    package let oldestFetch: Notable?
    /// Discoveries and refreshes under way.
    package let flights: Int
    /// Policies that are fetched again in the background.
    package let refreshed: Int
    /// Policies whose refresh is due, and waits for its turn.
    package let refreshesDue: Int
    /// Destinations with a DANE finding.
    package let findings: Int
    /// Exempted and pinned domains.
    package let exempted: Int
    package let pinned: Int
    /// Whether memory has all that the archive has. Else a domain that is not in memory is looked for there.
    package let isLoaded: Bool
    /// Changes that wait to be written into the archive.
    package let unwritten: Int
    /// Why the archive cannot be written now.
    package let archiveFailure: ArchiveFailure?

    package var domains: Int { counts.values.reduce(0, +) }

    /// How long one is good enough for those who ask again and again: it looks at every domain.
    package static let lifetime = Duration.seconds(5)
}

/// A census that is taken, or was.
struct Counting: Sendable {
    let begunAt: WallTime
    let task: Task<Census, Never>
    var isUnderWay = true
}

extension Census {
    init(
        _ count: EntryCount, _ state: ServiceState, _ backlog: (count: Int, failure: ArchiveFailure?), at now: WallTime
    ) {
        let overrides = state.orders.overrides(at: now)
        at = now
        counts = count.counts
        failing = count.failing
        soonestExpiry = count.soonestExpiry
        soonestFailingExpiry = count.soonestFailingExpiry
        oldestFetch = count.oldestFetch
        flights = state.ledger.flightCount
        refreshed = state.ledger.refreshedCount
        refreshesDue = state.ledger.refreshesDue(at: now)
        findings = state.findings.count
        exempted = overrides.count(where: \.isExemption)
        pinned = overrides.count - exempted
        isLoaded = state.ledger.holdsAll
        unwritten = backlog.count
        archiveFailure = backlog.failure
    }
}

extension DomainOverride {
    fileprivate var isExemption: Bool {
        guard case .exempt = kind else { return false }
        return true
    }
}

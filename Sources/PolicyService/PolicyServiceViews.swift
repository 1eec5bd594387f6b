import Discovery
import MTASTS

/// What the operator sees.
extension PolicyService {
    /// A page of the domains in memory. Looks at all of them, some at a time; what it holds is the page.
    package func entries(_ query: EntryQuery) async -> EntryPage { EntryPage(entries: [], next: nil) }

    /// What is remembered of a domain, or else kept in the archive; `nil`: nothing.
    ///
    /// - Throws: `ArchiveFailure` when it is not in memory and the archive cannot be looked into.
    package func entry(of domain: PolicyDomain) async throws(ArchiveFailure) -> EntryReport? { nil }

    /// Why a destination is answered as it is. Finds nothing out and changes nothing.
    package func explain(_ destination: DANEDestination) async -> Explanation {
        Explanation(
            destination: destination, at: now(), decision: Decision(rule: .unknown, action: .notFound), withheld: nil,
            override: nil, observing: observing, standing: .unknown(.unfinished), entry: nil, next: .asksRecord,
            archiveFailure: nil, dane: nil, failures: [], lookups: [])
    }

    /// Counts, at most some seconds old.
    package func census() async -> Census {
        Census(
            at: now(), counts: [:], failing: 0, soonestExpiry: nil, soonestFailingExpiry: nil, oldestFetch: nil,
            flights: 0, refreshed: 0, refreshesDue: 0, findings: 0, exempted: 0, pinned: 0, isLoaded: true,
            unwritten: 0, archiveFailure: nil)
    }

    /// Postfix was answered. Cheap: it is called for each lookup.
    package func noteLookup(_ lookup: RecentLookup) {}
}

import Discovery
import MTASTS
import TextFormats

/// Why a destination gets its answer, and what happens next.
package struct Explanation: Sendable {
    package let destination: Destination
    /// The time of the explanation.
    package let at: WallTime
    /// The decision that Postfix gets now. If the next lookup starts a discovery, this is the decision if that takes too long.
    package let decision: Decision
    /// In observe mode: the decision that Postfix would get without it.
    package let suppressed: Decision?
    /// The override that applies.
    package let override: Override?
    package let observing: ObserveMode
    package let status: PolicyStatus
    /// What is known of the domain; `nil`: nothing.
    package let entry: EntryReport?
    /// What the next lookup does.
    package let next: NextLookup
    /// Why the store could not be read for a domain that is not in memory.
    package let storeError: StoreError?
    /// `nil`: DANE is off.
    package let dane: DANEEntryReport?
    /// The last few failures of the domain, newest first.
    package let failures: [RecentFailure]
    /// The last few lookups of the domain, newest first.
    package let lookups: [RecentLookup]

    package init(
        destination: Destination, at: WallTime, decision: Decision, suppressed: Decision?, override: Override?,
        observing: ObserveMode, status: PolicyStatus, entry: EntryReport?, next: NextLookup,
        storeError: StoreError?, dane: DANEEntryReport?, failures: [RecentFailure], lookups: [RecentLookup]
    ) {
        self.destination = destination
        self.at = at
        self.decision = decision
        self.suppressed = suppressed
        self.override = override
        self.observing = observing
        self.status = status
        self.entry = entry
        self.next = next
        self.storeError = storeError
        self.dane = dane
        self.failures = failures
        self.lookups = lookups
    }
}

/// What the next lookup of a domain does for its policy.
package enum NextLookup: Equatable, Sendable {
    /// It is answered from memory, until `until`. After that it queries the TXT record.
    case answeredAtOnce(until: WallTime)
    /// It waits for the discovery in progress.
    case joinsDiscovery
    /// It reads the store first.
    case readsStore
    /// It queries the TXT record first.
    case queriesRecord
    /// It fetches the policy with this id.
    case fetches(RecordID)
}

/// What the cache knows about DANE for a destination.
package struct DANEEntryReport: Sendable {
    /// The status that a lookup gets.
    package let status: DANEStatus
    /// The last result, with the status of each host; `nil`: there is none yet.
    package let result: DANEResult?
    package let at: WallTime?
    /// After this time a lookup starts a discovery.
    package let freshUntil: WallTime?
    /// Until this time the last complete result counts if no later one succeeds; `nil`: there is none.
    package let usableUntil: WallTime?
    /// The result with each answer of DNS; `nil`: only the last few hundred are kept.
    package let report: DANEReport?
    /// A discovery is in progress.
    package let isInProgress: Bool
}

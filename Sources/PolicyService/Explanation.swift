import Discovery
import MTASTS

/// Why a destination is answered as it is, and what happens next.
package struct Explanation: Sendable {
    package let destination: DANEDestination
    /// The moment for which all of this holds.
    package let at: WallTime
    /// What Postfix is told now; where the next lookup has to find something out first, what it is told if that takes too
    /// long. How it is written in each dialect is PostfixTable's.
    package let decision: Decision
    /// In observe mode: what Postfix would be told without it.
    package let withheld: Decision?
    /// The operator's order that is in force.
    package let override: DomainOverride?
    package let observing: Observing
    package let standing: Standing
    /// What is remembered of the domain; `nil`: nothing.
    package let entry: EntryReport?
    /// What the next lookup does.
    package let next: NextLookup
    /// Why the archive could not be looked into for a domain that memory does not have.
    package let archiveFailure: ArchiveFailure?
    /// `nil`: DANE is not looked for.
    package let dane: FindingReport?
    /// The last failures, newest first; few, and of domains that failed lately only.
    package let failures: [RecentFailure]
    /// The last lookups of the domain, newest first; few, and of domains that were asked for lately only.
    package let lookups: [RecentLookup]
}

/// What the next lookup of a domain does, as far as its policy goes.
package enum NextLookup: Equatable, Sendable {
    /// It is answered with nothing to find out, until `until`: then it asks for the TXT record.
    case answeredAtOnce(until: WallTime)
    /// It waits for the discovery that is under way.
    case joinsDiscovery
    /// It looks into the archive first.
    case looksIntoArchive
    /// It asks for the TXT record first.
    case asksRecord
    /// It fetches the policy of this id.
    case fetches(RecordID)
}

/// What DANE means for a destination, as it is remembered.
package struct FindingReport: Sendable {
    /// What a lookup is answered by.
    package let standing: DANEStanding
    /// The last finding, with each host's judgement; `nil`: there was none yet.
    package let finding: DANEFinding?
    package let at: WallTime?
    /// After this moment a lookup asks again first.
    package let freshUntil: WallTime?
    /// Until this moment the last complete finding counts, should no later one succeed; `nil`: there is none.
    package let usableUntil: WallTime?
    /// The finding with each answer of DNS; `nil`: only the last some hundred are kept.
    package let report: DANEReport?
    /// A discovery is under way.
    package let isUnderWay: Bool
}

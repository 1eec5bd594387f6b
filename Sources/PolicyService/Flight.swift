import Discovery
import MTASTS

/// One discovery of one domain, from the first query to the settled landing.
package struct FlightID: Hashable, Sendable {
    let number: UInt64
}

/// What the ledger says to a lookup.
package enum Asked: Equatable, Sendable {
    /// Answer this now.
    case answer(Standing)
    /// A discovery is under way: wait for it. `nil`: as long as the lookup may take at all.
    case join(FlightID, atMost: Duration?)
    /// Nobody is finding out: start this discovery, and wait as with `join`.
    case start(FlightPlan, atMost: Duration?)
}

/// A discovery to be started.
package struct FlightPlan: Equatable, Sendable {
    package enum Step: Equatable, Sendable {
        /// Ask for the TXT record first.
        case record
        /// The record is known and fresh: fetch the policy of this id.
        case policy(RecordID)
    }

    package let id: FlightID
    package let domain: PolicyDomain
    package let step: Step
    /// To be let pass before the first step.
    package let delay: Duration
}

/// What a flight does after its TXT query.
package enum NextStep: Equatable, Sendable {
    case fetch(RecordID, delay: Duration)
    /// Nothing more to find out.
    case settle
}

/// A flight's end: the answer for those who waited, and what the log has to say.
package struct Landing: Equatable, Sendable {
    package let domain: PolicyDomain
    package let standing: Standing
    package let changes: [Change]
}

/// A flight as the ledger sees it.
struct Flight: Sendable {
    enum Outcome: Sendable {
        case policy(HeldPolicy)
        case failed(LedgerEntry.FailedFetch)
    }

    let domain: PolicyDomain
    let startedAt: WallTime
    /// There was nothing to answer with when it started, so those who join wait for its end, not for the patience.
    let nothingAtHand: Bool
    var landing: Outcome?
    var changes: [Change] = []
}

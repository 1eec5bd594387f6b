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
        /// Memory knows nothing of the domain: look into the archive first.
        case recall
        /// Ask for the TXT record first.
        case record
        /// The record is known and fresh: fetch the policy of this id.
        case policy(RecordID)
        /// Fetch the policy again, in the background and whatever the record says by now.
        case refresh(RecordID)
    }

    package let id: FlightID
    package let domain: PolicyDomain
    package let step: Step
    /// To be let pass before the first step.
    package let delay: Duration
}

/// What a flight does after a step.
package enum NextStep: Equatable, Sendable {
    /// Ask for the TXT record.
    case askRecord
    case fetch(RecordID, delay: Duration)
    /// Nothing more to find out.
    case settle
}

/// What the archive has of a domain.
package enum Recollection: Sendable {
    case policy(KeptPolicy)
    case nothing
    /// It could not be read: there may be something.
    case unreadable
}

/// What a flight does after the archive was looked into.
package struct Recalled: Equatable, Sendable {
    package let next: NextStep
    /// There is a policy to answer with: those who wait hear it after this time at the latest.
    package let patience: Duration?

    package init(next: NextStep, patience: Duration?) {
        self.next = next
        self.patience = patience
    }
}

/// A flight's end: the answer for those who waited, and what the log has to say.
package struct Landing: Equatable, Sendable {
    package let standing: Standing
    package let news: News
    /// For the operator who ordered the refresh; `nil`: it was another kind of flight.
    package let refresh: RefreshResult?
}

/// Why something was found out: each log line about a domain says it.
package enum Origin: String, Sendable {
    /// Postfix asked.
    case lookup
    /// In the background.
    case refresh
    /// The operator asked for it.
    case admin
    /// The archive was loaded.
    case start
}

/// What the log has to say of a domain.
package struct News: Equatable, Sendable {
    package let domain: PolicyDomain
    package let changes: [Change]
    package let origin: Origin
}

/// What is to be done in the background.
package struct Due: Equatable, Sendable {
    package var refreshes: [FlightPlan] = []
    package var news: [News] = []
    /// How far the clock is behind the latest fetch of a policy; `nil`: it is not, or the log has it already.
    package var clockBehind: Duration?
}

extension Flight.Outcome {
    /// What a failed fetch for `recordID` means.
    ///
    /// - Parameter previous: the failed fetch before it, if no good one came between.
    static func failure(
        _ failure: PolicyFailure, of recordID: RecordID, at now: WallTime, after previous: LedgerEntry.FailedFetch?
    ) -> Flight.Outcome {
        guard let category = failure.category else {
            return .failedLocally(LedgerEntry.LocalFetchFailure(id: recordID, failure: failure, at: now))
        }
        return .failed(
            LedgerEntry.FailedFetch(
                id: recordID, failure: failure, category: category, at: now, count: (previous?.count ?? 0) + 1,
                after: previous))
    }

    /// Whether the policy host answered or failed.
    var isOfThePolicyHost: Bool {
        switch self {
        case .policy, .failed: true
        case .failedLocally: false
        }
    }
}

/// A flight as the ledger sees it. It is its domain's as long as the entry names it; where the domain was forgotten
/// meanwhile, it lands nowhere.
struct Flight: Sendable {
    enum Outcome: Sendable {
        case policy(HeldPolicy)
        case failed(LedgerEntry.FailedFetch)
        case failedLocally(LedgerEntry.LocalFetchFailure)
    }

    let domain: PolicyDomain
    /// Since when it may be waited for; for one that looked into the archive, since then.
    var startedAt: WallTime
    /// There was nothing to answer with when it started, so those who join wait for its end, not for the patience.
    var nothingAtHand: Bool
    let origin: Origin
    /// A lookup waits for this refresh.
    var isAwaited = false
    /// The policy host's addresses, while they count in the budget.
    var addresses: [IPAddress] = []
    /// What the TXT query brought, where one has ended.
    var record: RecordFinding?
    var landing: Outcome?
    var changes: [Change] = []

    /// Somebody waits for it, or what it brought is on its way into the archive already.
    var mustLand: Bool {
        if case .policy = landing { return true }
        return origin != .refresh || isAwaited
    }
}

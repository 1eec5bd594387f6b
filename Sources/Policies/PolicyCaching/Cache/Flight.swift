import Discovery
import MTASTS
import TextFormats

/// Identifies one discovery of one domain, from the first query to its end.
package struct FlightID: Hashable, Sendable {
    let number: UInt64
}

/// The cache's answer to a lookup. `atMost: nil`: wait as long as the lookup may take.
package enum CacheLookup: Equatable, Sendable {
    case answer(PolicyStatus)
    /// A discovery is in progress: wait for it.
    case join(FlightID, atMost: Duration?)
    /// Start this discovery and wait for it.
    case start(FlightPlan, atMost: Duration?)
}

/// A discovery to be started.
package struct FlightPlan: Equatable, Sendable {
    package enum Step: Equatable, Sendable {
        /// Read the store: the domain is not in memory.
        case readStore
        case queryRecord
        /// Fetch the policy of this id: the record is known and fresh.
        case fetch(RecordID)
        /// Fetch the policy again in the background, whatever the record is now.
        case refresh(RecordID)
    }

    package let id: FlightID
    package let domain: PolicyDomain
    package let step: Step
    /// The pause before the first step.
    package let delay: Duration
}

/// What a flight does after a step.
package enum NextStep: Equatable, Sendable {
    case queryRecord
    case fetch(RecordID, delay: Duration)
    case finish
}

/// What the store has of a domain.
package enum StoreLookup: Sendable {
    case policy(LoadedPolicy)
    case nothing
    /// The store cannot be read: it may have a policy.
    case unreadable
}

/// What a flight does after the store was read.
package struct AfterStoreLookup: Equatable, Sendable {
    package let next: NextStep
    /// There is a policy to answer with: waiting lookups get it after this time at the latest. `nil`: there is none.
    package let timeout: Duration?

    package init(next: NextStep, timeout: Duration?) {
        self.next = next
        self.timeout = timeout
    }
}

/// A discovery of one domain that is in progress.
///
/// It belongs to its domain as long as the domain's entry names it. If the domain was forgotten meanwhile, its result is
/// dropped.
struct Flight: Sendable {
    /// How the fetch of the policy ended.
    enum Outcome: Sendable {
        case policy(CachedPolicy)
        case failed(CacheEntry.FailedFetch)
        case failedLocally(CacheEntry.LocalFetchError)
    }

    let domain: PolicyDomain
    /// From when lookups wait for it: its start, or the end of its read of the store.
    var startedAt: WallTime
    /// There was no answer when it started, so lookups that join wait until it ends and not only `maximumWait`.
    var hasNoAnswerYet: Bool
    let origin: Origin
    /// A lookup waits for this refresh.
    var isAwaited = false
    /// The policy host's addresses, while they count in the budget.
    var addresses: [IPAddress] = []
    /// The result of the TXT query; `nil`: none has ended.
    var record: RecordResult?
    var outcome: Outcome?
    var events: [CacheEvent] = []

    /// A lookup waits for it, or its policy is on its way into the store.
    var mustFinish: Bool {
        if case .policy = outcome { return true }
        return origin != .refresh || isAwaited
    }
}

extension Flight.Outcome {
    /// The outcome of a failed fetch for `recordID`.
    ///
    /// - Parameter previous: the failed fetch before it, if no successful one came between.
    static func failure(
        _ error: PolicyFetchError, of recordID: RecordID, at now: WallTime, after previous: CacheEntry.FailedFetch?
    ) -> Flight.Outcome {
        guard let category = error.category else {
            return .failedLocally(CacheEntry.LocalFetchError(id: recordID, failure: error, at: now))
        }
        return .failed(
            CacheEntry.FailedFetch(
                id: recordID, failure: error, category: category, at: now, count: (previous?.count ?? 0) + 1,
                after: previous))
    }

    /// Whether the policy host answered or failed, and not this host.
    var isFromPolicyHost: Bool {
        switch self {
        case .policy, .failed: true
        case .failedLocally: false
        }
    }
}

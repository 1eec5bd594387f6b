import Discovery
import MTASTS

/// What we know of a domain, in one word: what is listed and counted by.
package enum EntryState: String, CaseIterable, Sendable {
    /// A living policy of this mode.
    case enforce
    case testing
    case none
    /// The domain has no MTA-STS.
    case noPolicy = "no-policy"
    /// Could not find out, and nothing is held.
    case unknown

    /// - Parameter standing: `nil`: nothing was ever found out, or what was has run out.
    init(_ standing: Standing?) {
        switch standing {
        case .policy(let held):
            switch held.policy.mode {
            case .enforce: self = .enforce
            case .testing: self = .testing
            case .none: self = .none
            }
        case .noPolicy: self = .noPolicy
        case .unknown, nil: self = .unknown
        }
    }
}

/// What is remembered of a domain, at one moment: what `cache show` shows, and one line of `cache list`.
package struct EntryReport: Equatable, Sendable {
    /// What DNS last said of the `_mta-sts` record.
    package struct Record: Equatable, Sendable {
        package let finding: RecordFinding
        package let at: WallTime
        /// After this moment a lookup asks again first.
        package let freshUntil: WallTime
    }

    /// The last fetch, which failed.
    package struct Failure: Equatable, Sendable {
        /// Of the record that led to the fetch.
        package let id: RecordID
        package let failure: PolicyFailure
        package let category: PolicyFailure.Category
        package let at: WallTime
        /// Failed fetches since the last good one, this one included.
        package let count: Int
    }

    package let domain: PolicyDomain
    package let state: EntryState
    /// The policy that is held, whether it is alive or its life is over.
    package let policy: HeldPolicy?
    /// Whether the policy is alive, and so applied.
    package let isApplied: Bool
    /// When the policy's life is over, as seen from the clock at that moment; `nil` without a policy.
    package internal(set) var expiresAt: WallTime?
    package let record: Record?
    package let failure: Failure?
    /// When Postfix last asked; after a restart to the day.
    package let askedAt: WallTime
    /// When the policy is to be fetched again in the background; `nil`: not at all, or it is being fetched.
    package let refreshAt: WallTime?
    /// A discovery or a refresh is under way.
    package let isUnderWay: Bool
    /// It is in the archive only: the next lookup brings it into memory.
    package let isInArchiveOnly: Bool

    /// The last TXT query or the last fetch failed, and that matters: of mode `none` it does not (RFC 8461 §8.3).
    package let isFailing: Bool
}

import Discovery
import MTASTS
import TextFormats

/// The state of a domain in one word, for lists and counts.
package enum EntryState: String, CaseIterable, Sendable {
    /// A policy of this mode applies.
    case enforce
    case testing
    case none
    /// The domain has no MTA-STS.
    case noPolicy = "no-policy"
    /// The discovery failed, and no policy is cached.
    case unknown

    /// - Parameter status: `nil`: nothing is known, or it is outdated.
    init(_ status: PolicyStatus?) {
        switch status {
        case .policy(let cached):
            switch cached.policy.mode {
            case .enforce: self = .enforce
            case .testing: self = .testing
            case .none: self = .none
            }
        case .noPolicy: self = .noPolicy
        case .unknown, nil: self = .unknown
        }
    }
}

/// What is known of a domain at one moment, for `cache show` and one line of `cache list`.
package struct EntryReport: Equatable, Sendable {
    /// The last answer of DNS for the `_mta-sts` record.
    package struct Record: Equatable, Sendable {
        package let result: RecordResult
        package let at: WallTime
        /// After this time a lookup queries the record again.
        package let freshUntil: WallTime
    }

    /// The last fetch, which failed.
    package struct Failure: Equatable, Sendable {
        /// The id of the record that led to the fetch.
        package let id: RecordID
        package let failure: PolicyFetchError
        package let category: PolicyFetchError.Category
        package let at: WallTime
        /// Failed fetches since the last successful one, including this one.
        package let count: Int
    }

    package let domain: PolicyDomain
    package let state: EntryState
    /// The cached policy, expired or not.
    package let policy: CachedPolicy?
    /// Whether the policy applies.
    package let isApplied: Bool
    /// When the policy expires, as seen from the clock at that moment; `nil`: there is no policy.
    package internal(set) var expiresAt: WallTime?
    package let record: Record?
    package let failure: Failure?
    /// When Postfix last looked the domain up; after a restart to the day.
    package let lastLookupAt: WallTime
    /// When the policy is refreshed in the background; `nil`: not at all, or the refresh is in progress.
    package let refreshAt: WallTime?
    /// A discovery or a refresh is in progress.
    package let isInProgress: Bool
    /// The domain is only in the store: the next lookup loads it.
    package let isInStoreOnly: Bool

    /// The last TXT query or the last fetch failed. Always `false` for mode `none` (RFC 8461 §8.3).
    package let isFailing: Bool
}

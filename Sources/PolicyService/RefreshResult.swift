import Discovery
import MTASTS

/// What a refresh that the operator ordered has brought.
package struct RefreshResult: Equatable, Sendable {
    package enum Outcome: Equatable, Sendable {
        /// The policy was fetched, and is the one that was held: it lives from now.
        case renewed(HeldPolicy)
        /// A first policy, or another one than was held. One with `max_age: 0` is not kept.
        case changed(from: HeldPolicy?, to: HeldPolicy)
        /// The domain has no MTA-STS, and nothing is held that could be fetched again.
        case noRecord(RecordAbsence)
        /// The TXT query failed, and nothing is held that could be fetched again.
        case recordFailed(DNSFailure)
        case fetchFailed(PolicyFailure)
        /// The daemon stops.
        case unfinished
    }

    package let outcome: Outcome
    /// What DNS said this time; `nil`: it was not asked. A held policy is fetched again whatever DNS says.
    package let record: RecordFinding?
    /// What the domain's lookups are answered by now.
    package let standing: Standing
}

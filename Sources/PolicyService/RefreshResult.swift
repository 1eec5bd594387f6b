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

extension RefreshResult {
    /// - Parameters:
    ///   - flight: at its end.
    ///   - before: the entry before it.
    ///   - standing: what is answered after it.
    init(_ flight: Flight, _ before: LedgerEntry, _ standing: Standing) {
        record = flight.record
        self.standing = standing
        switch (flight.landing, flight.record) {
        case (.policy(let new), _):
            let isSame = before.held.map { $0.text == new.text && $0.id == new.id } ?? false
            outcome = isSame ? .renewed(new) : .changed(from: before.held, to: new)
        case (.failed(let failed), _): outcome = .fetchFailed(failed.failure)
        case (.failedLocally(let failed), _): outcome = .fetchFailed(failed.failure)
        case (nil, .absent(let absence)): outcome = .noRecord(absence)
        case (nil, .failed(let failure)): outcome = .recordFailed(failure)
        case (nil, .published), (nil, nil): outcome = .unfinished
        }
    }
}

import Discovery
import MTASTS

/// The result of a refresh that the operator ordered.
package struct RefreshResult: Equatable, Sendable {
    package enum Outcome: Equatable, Sendable {
        /// The fetched policy is the same as the cached one. Its lifetime begins now.
        case renewed(CachedPolicy)
        /// The fetched policy is the first one or differs from the cached one. With `max_age: 0` it is not cached.
        case changed(from: CachedPolicy?, to: CachedPolicy)
        /// The domain has no MTA-STS record, and no policy is cached that could be fetched again.
        case noRecord(RecordAbsence)
        /// The TXT query failed, and no policy is cached that could be fetched again.
        case recordFailed(DNSError)
        case fetchFailed(PolicyFetchError)
        /// The daemon stops.
        case unfinished
    }

    package let outcome: Outcome
    /// The answer of DNS; `nil`: there was no query. A cached policy is fetched again whatever DNS answers.
    package let record: RecordResult?
    /// The answer to lookups from now on.
    package let status: PolicyStatus

    package init(outcome: Outcome, record: RecordResult?, status: PolicyStatus) {
        self.outcome = outcome
        self.record = record
        self.status = status
    }
}

extension RefreshResult {
    /// - Parameters:
    ///   - flight: at its end.
    ///   - before: the entry before the flight ended.
    ///   - status: the answer to lookups after it.
    init(_ flight: Flight, before: CacheEntry, status: PolicyStatus) {
        record = flight.record
        self.status = status
        switch (flight.outcome, flight.record) {
        case (.policy(let new), _):
            let isSame = before.cached.map { $0.policy.octets == new.policy.octets && $0.id == new.id } ?? false
            outcome = isSame ? .renewed(new) : .changed(from: before.cached, to: new)
        case (.failed(let failed), _): outcome = .fetchFailed(failed.failure)
        case (.failedLocally(let failed), _): outcome = .fetchFailed(failed.failure)
        case (nil, .absent(let absence)): outcome = .noRecord(absence)
        case (nil, .failed(let failure)): outcome = .recordFailed(failure)
        case (nil, .published), (nil, nil): outcome = .unfinished
        }
    }
}

import MTASTS
import TextFormats

/// Everything that follows from one event of the cache.
package struct CacheResult<Answer: Sendable>: Sendable {
    package let answer: Answer
    /// Changes for the store, in order. No task waits until they are durable.
    package let storeChanges: [StoreChange]
    /// For the log.
    package let events: [DomainEvents]
}

/// What is new about a domain, for the log.
package struct DomainEvents: Equatable, Sendable {
    package let domain: PolicyDomain
    package let events: [CacheEvent]
    package let origin: Origin
}

/// Why something is known: each log line about a domain has it.
package enum Origin: String, Sendable {
    /// A lookup of Postfix.
    case lookup
    /// The background.
    case refresh
    /// The operator.
    case admin
    /// The store was loaded.
    case start
}

/// The end of a flight: the answer for the lookups that wait for it.
package struct FlightResult: Equatable, Sendable {
    package let status: PolicyStatus
    package let origin: Origin
    /// For the operator who ordered the refresh; `nil`: it was another kind of flight.
    package let refresh: RefreshResult?
}

/// The background work that is due.
package struct DueWork: Equatable, Sendable {
    package var refreshes: [FlightPlan] = []
    /// How far the clock is behind the latest fetch of a policy; `nil`: it is not, or this is logged already.
    package var clockBehind: Duration?
}

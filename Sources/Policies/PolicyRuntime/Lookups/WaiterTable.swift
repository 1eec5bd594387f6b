import Discovery
import PolicyCaching

/// Identifies a lookup that waits for a discovery.
package struct Waiter: Hashable, Sendable {
    let number: UInt64
}

/// The lookups that wait for the end of a policy discovery, of a DANE discovery, or of both.
///
/// A result stays with its waiter until the other result is there too. So a lookup that waited for a fetch gets the policy
/// of this fetch, even with `max_age: 0`. While the table is paused, complete waiters stay in it too.
struct WaiterTable {
    typealias OnDecision = @Sendable (Decision) -> Void

    struct Waiting {
        let destination: Destination
        var policy: PolicyStatus?
        var dane: DANEStatus?
        /// `nil` for a lookup that observe mode has answered already.
        let onDecision: OnDecision?

        var isComplete: Bool { policy != nil && dane != nil }
    }

    /// Whether waiters stay even if they are complete, because the overrides are not loaded yet.
    private(set) var isPaused: Bool
    private var waiting: [UInt64: Waiting] = [:]
    private var lastNumber: UInt64 = 0
    private var byPolicyFlight: [FlightID: [UInt64]] = [:]
    private var byDANEFlight: [FlightID: [UInt64]] = [:]

    init(isPaused: Bool = false) {
        self.isPaused = isPaused
    }

    mutating func add(_ new: Waiting, policyFlight: FlightID?, daneFlight: FlightID?) -> Waiter {
        lastNumber += 1
        waiting[lastNumber] = new
        if let policyFlight { byPolicyFlight[policyFlight, default: []].append(lastNumber) }
        if let daneFlight { byDANEFlight[daneFlight, default: []].append(lastNumber) }
        return Waiter(number: lastNumber)
    }

    /// - Returns: `nil` if the waiter was complete before.
    mutating func remove(_ waiter: Waiter) -> Waiting? { waiting.removeValue(forKey: waiter.number) }

    /// Sets the result for all waiters of a policy flight.
    ///
    /// - Returns: the waiters that are complete now.
    mutating func policyFinished(_ flight: FlightID, status: PolicyStatus) -> [Waiting] {
        update(byPolicyFlight.removeValue(forKey: flight)) { $0.policy = status }
    }

    /// Sets the result for all waiters of a DANE flight.
    ///
    /// - Returns: the waiters that are complete now.
    mutating func daneFinished(_ flight: FlightID, status: DANEStatus) -> [Waiting] {
        update(byDANEFlight.removeValue(forKey: flight)) { $0.dane = status }
    }

    /// Ends the pause.
    ///
    /// - Returns: the waiters that are complete.
    mutating func resume() -> [Waiting] {
        guard isPaused else { return [] }
        isPaused = false
        return update(waiting.filter(\.value.isComplete).map(\.key)) { _ in }
    }

    private mutating func update(_ numbers: [UInt64]?, with change: (inout Waiting) -> Void) -> [Waiting] {
        var complete: [Waiting] = []
        for number in numbers ?? [] {
            guard var waiter = waiting[number] else { continue }
            change(&waiter)
            let isFinished = waiter.isComplete && !isPaused
            waiting[number] = isFinished ? nil : waiter
            if isFinished { complete.append(waiter) }
        }
        return complete
    }
}

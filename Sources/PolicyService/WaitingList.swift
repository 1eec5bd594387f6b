import Discovery

/// One who waits for what is being found out about a destination.
package struct Waiter: Hashable, Sendable {
    let number: UInt64
}

/// Those who wait for landings: of a policy's flight, of a finding's, or of both; and, while the list is held, all of them
/// for its end.
///
/// What has landed for a waiter is kept until nothing is missing any more: the one who waited for a fetch hears what that
/// fetch brought, `max_age: 0` too.
struct WaitingList {
    typealias Call = @Sendable (Decision) -> Void

    /// What one waits for and what there is already.
    struct Waiting {
        let destination: DANEDestination
        var standing: Standing?
        var dane: DANEStanding?
        /// `nil`: it was answered already, and what would have been said is only to be told.
        let call: Call?

        /// Nothing is missing.
        var isComplete: Bool { standing != nil && dane != nil }
    }

    /// Nobody is let go: what the operator has ordered is not loaded yet.
    private(set) var isHeld: Bool
    private var waiting: [UInt64: Waiting] = [:]
    private var last: UInt64 = 0
    private var byPolicyFlight: [FlightID: [UInt64]] = [:]
    private var byFindingFlight: [FlightID: [UInt64]] = [:]

    init(isHeld: Bool = false) {
        self.isHeld = isHeld
    }

    mutating func add(_ one: Waiting, policy: FlightID?, finding: FlightID?) -> Waiter {
        last += 1
        waiting[last] = one
        if let policy { byPolicyFlight[policy, default: []].append(last) }
        if let finding { byFindingFlight[finding, default: []].append(last) }
        return Waiter(number: last)
    }

    /// Takes out one who cannot wait; `nil`: the landing was quicker.
    mutating func remove(_ waiter: Waiter) -> Waiting? { waiting.removeValue(forKey: waiter.number) }

    /// A policy's flight has landed, or those who wait for it shall wait no longer.
    ///
    /// - Returns: those for whom nothing is missing any more.
    mutating func policyLanded(_ flight: FlightID, _ standing: Standing) -> [Waiting] {
        landed(byPolicyFlight.removeValue(forKey: flight)) { $0.standing = standing }
    }

    mutating func findingLanded(_ flight: FlightID, _ dane: DANEStanding) -> [Waiting] {
        landed(byFindingFlight.removeValue(forKey: flight)) { $0.dane = dane }
    }

    /// The list is held no more.
    ///
    /// - Returns: as `policyLanded`.
    mutating func letGo() -> [Waiting] {
        guard isHeld else { return [] }
        isHeld = false
        return landed(waiting.filter(\.value.isComplete).map(\.key)) { _ in }
    }

    private mutating func landed(_ numbers: [UInt64]?, _ change: (inout Waiting) -> Void) -> [Waiting] {
        var complete: [Waiting] = []
        for number in numbers ?? [] {
            guard var one = waiting[number] else { continue }
            change(&one)
            let isDone = one.isComplete && !isHeld
            waiting[number] = isDone ? nil : one
            if isDone { complete.append(one) }
        }
        return complete
    }
}

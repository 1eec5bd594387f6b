import DANE
import Discovery
import MTASTS

/// What Postfix asks.
extension PolicyService {
    package enum Lookup: Sendable {
        case decided(Decision)
        /// The landing calls back, unless the waiter gives up before. `nil`: wait as long as the lookup may take.
        case waiting(Waiter, atMost: Duration?)
    }

    /// A hit: the answer where nothing has to be found out. `nil`: it takes a `lookup`.
    package func decision(for destination: DANEDestination) -> Decision? {
        let now = now()
        guard let grounds = state.withLock({ $0.hit(destination, at: now) }) else { return nil }
        if grounds.isObserving { observedLookups.tell(grounds.decided, on: destination) }
        return grounds.said
    }

    /// Answers what is known, or lets `whenLanded` wait for it. Starts discoveries where none are under way, also where an
    /// order of the operator decides at once: its end is to find a policy.
    ///
    /// - Parameter whenLanded: called at most once, from any thread, if this function returns `waiting` and the waiter does
    ///   not give up. Another thread may call it before this function has returned.
    package func lookup(
        _ destination: DANEDestination, whenLanded: @escaping @Sendable (Decision) -> Void
    ) -> Lookup {
        let now = now()
        let (lookup, work, observed) = withState { state -> (Lookup, [Work], Grounds?) in
            let policy = Part(state.ledger.asked(destination.domain, at: now))
            let finding =
                state.usesDANE ? Part(state.findings.asked(destination, at: now), of: destination) : Part(.off)
            let work = [policy.work, finding.work].compactMap { $0 }
            let known = policy.known.flatMap { standing in
                finding.known.map { state.grounds(standing, $0, on: destination, at: now) }
            }
            if let known, !state.waitingList.isHeld {
                return (.decided(known.said), work, known.isObserving ? known : nil)
            }
            if let decision = state.decidedAtOnce(destination, policy, finding, at: now) {
                return (.decided(decision), work, nil)
            }
            return (state.wait(for: destination, policy, finding, call: whenLanded), work, nil)
        }
        for one in work { start.yield(one) }
        if let observed { observedLookups.tell(observed.decided, on: destination) }
        return lookup
    }

    /// Waits no longer: what can be said now. The discoveries go on, and their landings are stored as usual.
    ///
    /// - Returns: `nil` when the landing was quicker and has called back, or is about to.
    package func giveUp(_ waiter: Waiter) -> Decision? {
        let now = now()
        let given = state.withLock { state -> (Grounds, DANEDestination)? in
            guard let waited = state.waitingList.remove(waiter) else { return nil }
            let destination = waited.destination
            let standing = waited.standing ?? state.ledger.standing(of: destination.domain, at: now)
            let dane = waited.dane ?? state.findings.standing(of: destination, at: now)
            return (state.grounds(standing, dane, on: destination, at: now), destination)
        }
        guard let (grounds, destination) = given else { return nil }
        if grounds.isObserving { observedLookups.tell(grounds.decided, on: destination) }
        return grounds.said
    }

    func answer(_ answers: [ServiceState.Answer]) {
        for one in answers {
            let (waiting, grounds) = (one.waiting, one.grounds)
            waiting.call?(grounds.said)
            if grounds.isObserving || waiting.call == nil {
                observedLookups.tell(grounds.decided, on: waiting.destination, lookups: one.observed)
            }
        }
    }

    /// How long a lookup waits for what the operator has ordered: it is little, and there a moment after the start.
    static let patienceWithOrders = Duration.seconds(1)
}

extension ServiceState {
    /// What an order says whatever is being found out.
    fileprivate mutating func decidedAtOnce(
        _ destination: DANEDestination, _ policy: PolicyService.Part<Standing>,
        _ finding: PolicyService.Part<DANEStanding>, at now: WallTime
    ) -> Decision? {
        guard !waitingList.isHeld else { return nil }
        let grounds = grounds(.unknown(.unfinished), .off, on: destination, at: now)
        if grounds.isObserving {
            let count = observed[destination, default: 0]
            observed[destination] = count + 1
            if count == 0 { _ = wait(for: destination, policy, finding, call: nil) }
            return grounds.said
        }
        return grounds.override.isImmediate ? grounds.said : nil
    }

    fileprivate mutating func wait(
        for destination: DANEDestination, _ policy: PolicyService.Part<Standing>,
        _ finding: PolicyService.Part<DANEStanding>, call: WaitingList.Call?
    ) -> PolicyService.Lookup {
        let waiting = WaitingList.Waiting(
            destination: destination, standing: policy.known, dane: finding.known, call: call)
        let waiter = waitingList.add(waiting, policy: policy.flight, finding: finding.flight)
        let orders: Duration = waitingList.isHeld ? PolicyService.patienceWithOrders : .zero
        return .waiting(waiter, atMost: [policy.patience, finding.patience, orders].longest)
    }
}

extension [Duration?] {
    /// All of them are needed, so the one that may take longest decides; `nil` is as long as the lookup may take.
    fileprivate var longest: Duration? {
        contains(nil) ? nil : compactMap(\.self).max()
    }
}

extension PolicyService {
    /// One half of an answer: known, or being found out.
    fileprivate struct Part<Known> {
        var known: Known?
        var flight: FlightID?
        /// `.zero` where it is known; `nil`: as long as the lookup may take.
        var patience: Duration? = .zero
        var work: Work?

        init(_ known: Known) { self.known = known }

        init(_ asked: Asked) where Known == Standing {
            switch asked {
            case .answer(let standing): known = standing
            case .join(let id, let atMost): (flight, patience) = (id, atMost)
            case .start(let plan, let atMost): (flight, patience, work) = (plan.id, atMost, .fly(plan))
            }
        }

        init(_ asked: FindingLedger.Asked, of destination: DANEDestination) where Known == DANEStanding {
            switch asked {
            case .answer(let standing): known = standing
            case .join(let id, let atMost): (flight, patience) = (id, atMost)
            case .start(let id, let atMost): (flight, patience, work) = (id, atMost, .find(id, destination))
            }
        }
    }
}

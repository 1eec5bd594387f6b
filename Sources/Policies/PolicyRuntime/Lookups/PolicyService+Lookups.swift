import DANE
import Discovery
import MTASTS
import PolicyCaching
import TextFormats

/// Lookups by Postfix.
extension PolicyService {
    package enum Lookup: Sendable {
        case decided(Decision)
        /// `onDecision` is called later, unless the caller cancels the wait. `nil`: wait as long as the lookup may take.
        case waiting(Waiter, atMost: Duration?)
    }

    /// A cache hit, to be repeated with `repeats`.
    package struct Hit: Sendable {
        package let destination: Destination
        let policy: PolicyCache.Hit
        /// `nil`: DANE was off.
        let dane: DANECache.Hit?
        let revision: UInt64
    }

    /// Answers a cache hit. Returns `nil` if something has to be looked up; call `lookup` then. `hit` is `nil` if it cannot be
    /// repeated.
    package func hit(_ destination: Destination) -> (decision: Decision, hit: Hit?)? {
        let now = now()
        let found = state.withLock { state -> (DecisionInput, Hit?)? in
            state.hit(destination, at: now).map {
                ($0, state.repeatableHit(destination, input: $0, at: now))
            }
        }
        guard let (input, hit) = found else { return nil }
        if input.isObserving { observedLookups.log(input.underlying, for: destination) }
        return (input.effective, hit)
    }

    /// Whether a hit still has the same decision. Then it counts as another lookup with this rule and reply.
    ///
    /// - Parameters:
    ///   - reply: the kind of reply, in one word.
    ///   - now: the time of the request.
    package func repeats(_ hit: Hit, rule: Decision.Rule, reply: String, at now: WallTime) -> Bool {
        guard state.withLock({ $0.repeats(hit, at: now) }) else { return false }
        noteLookup(RecentLookup(destination: hit.destination, at: now, rule: rule, reply: reply))
        return true
    }

    /// Answers from the cache, or waits for a discovery. Starts a discovery if none is in progress, even if an override
    /// decides at once, so that a policy is cached when the override ends.
    ///
    /// - Parameter onDecision: called at most once, from any thread, if this function returns `waiting` and the caller does
    ///   not cancel the wait. It may be called before this function has returned.
    package func lookup(
        _ destination: Destination, onDecision: @escaping @Sendable (Decision) -> Void
    ) -> Lookup {
        let now = now()
        let (lookup, work, observed) = withState { state -> (Lookup, [Work], DecisionInput?) in
            let policy = Part(state.handle { $0.lookup(destination.domain, at: now) })
            let dane =
                state.usesDANE ? Part(state.daneCache.lookup(destination, at: now), of: destination) : Part(known: .off)
            let work = [policy.work, dane.work].compactMap { $0 }
            let known = policy.known.flatMap { policy in
                dane.known.map { state.input(policy: policy, dane: $0, for: destination, at: now) }
            }
            if let known, !state.waiters.isPaused {
                return (.decided(known.effective), work, known.isObserving ? known : nil)
            }
            if let decision = state.immediateDecision(for: destination, policy: policy, dane: dane, at: now) {
                return (.decided(decision), work, nil)
            }
            return (state.wait(for: destination, policy: policy, dane: dane, onDecision: onDecision), work, nil)
        }
        for item in work { start.yield(item) }
        if let observed { observedLookups.log(observed.underlying, for: destination) }
        return lookup
    }

    /// Ends the wait of a lookup and decides with what is known now. The discoveries continue and their results are cached.
    ///
    /// - Returns: `nil` if `onDecision` was called already or is about to be called.
    package func cancelWait(_ waiter: Waiter) -> Decision? {
        let now = now()
        let result = state.withLock { state -> (DecisionInput, Destination)? in
            guard let waiting = state.waiters.remove(waiter) else { return nil }
            let destination = waiting.destination
            let policy = waiting.policy ?? state.cache.status(of: destination.domain, at: now)
            let dane = waiting.dane ?? state.daneCache.status(of: destination, at: now)
            return (state.input(policy: policy, dane: dane, for: destination, at: now), destination)
        }
        guard let (input, destination) = result else { return nil }
        if input.isObserving { observedLookups.log(input.underlying, for: destination) }
        return input.effective
    }

    /// Calls the waiting lookups.
    func answer(_ answers: [ServiceState.Answer]) {
        for answer in answers {
            let (waiting, input) = (answer.waiting, answer.input)
            waiting.onDecision?(input.effective)
            if input.isObserving || waiting.onDecision == nil {
                observedLookups.log(input.underlying, for: waiting.destination, lookups: answer.observed)
            }
        }
    }

    /// How long a lookup waits for the overrides. They are few and loaded soon after the start.
    static let overrideLoadTimeout = Duration.seconds(1)

    /// Remembers the reply to a lookup for `explain`. Cheap, because it is called for each lookup.
    ///
    /// - Parameter reply: the kind of reply, in one word.
    package func noteLookup(_ destination: Destination, rule: Decision.Rule, reply: String) {
        noteLookup(RecentLookup(destination: destination, at: now(), rule: rule, reply: reply))
    }

    package func noteLookup(_ lookup: RecentLookup) {
        recentLookups.withLock { $0.add(lookup) }
    }
}

extension ServiceState {
    /// The decision of observe mode or of an override, which needs no discovery.
    fileprivate mutating func immediateDecision(
        for destination: Destination, policy: PolicyService.Part<PolicyStatus>, dane: PolicyService.Part<DANEStatus>,
        at now: WallTime
    ) -> Decision? {
        guard !waiters.isPaused else { return nil }
        let input = input(policy: .unknown(.unfinished), dane: .off, for: destination, at: now)
        if input.isObserving {
            let count = observed[destination, default: 0]
            observed[destination] = count + 1
            if count == 0 { _ = wait(for: destination, policy: policy, dane: dane, onDecision: nil) }
            return input.effective
        }
        return input.override.isImmediate ? input.effective : nil
    }

    fileprivate mutating func wait(
        for destination: Destination, policy: PolicyService.Part<PolicyStatus>, dane: PolicyService.Part<DANEStatus>,
        onDecision: WaiterTable.OnDecision?
    ) -> PolicyService.Lookup {
        let waiting = WaiterTable.Waiting(
            destination: destination, policy: policy.known, dane: dane.known, onDecision: onDecision)
        let waiter = waiters.add(waiting, policyFlight: policy.flight, daneFlight: dane.flight)
        let overrides: Duration = waiters.isPaused ? PolicyService.overrideLoadTimeout : .zero
        return .waiting(waiter, atMost: [policy.timeout, dane.timeout, overrides].longest)
    }
}

extension [Duration?] {
    /// The longest wait, because the lookup needs all parts. `nil` is as long as the lookup may take.
    fileprivate var longest: Duration? {
        contains(nil) ? nil : compactMap(\.self).max()
    }
}

extension PolicyService {
    /// The policy or the DANE part of an answer: known, or the flight that finds it out.
    fileprivate struct Part<Status> {
        var known: Status?
        var flight: FlightID?
        /// `.zero` if it is known; `nil` for as long as the lookup may take.
        var timeout: Duration? = .zero
        var work: Work?

        init(known: Status) { self.known = known }

        init(_ lookup: CacheLookup) where Status == PolicyStatus {
            switch lookup {
            case .answer(let status): known = status
            case .join(let id, let atMost): (flight, timeout) = (id, atMost)
            case .start(let plan, let atMost): (flight, timeout, work) = (plan.id, atMost, .discover(plan))
            }
        }

        init(_ lookup: DANECache.Lookup, of destination: Destination) where Status == DANEStatus {
            switch lookup {
            case .answer(let status): known = status
            case .join(let id, let atMost): (flight, timeout) = (id, atMost)
            case .start(let id, let atMost): (flight, timeout, work) = (id, atMost, .discoverDANE(id, destination))
            }
        }
    }
}

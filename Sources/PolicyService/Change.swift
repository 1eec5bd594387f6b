import Discovery
import MTASTS

/// Something about a domain that is different from before: what the log tells, once.
package enum Change: Equatable, Sendable {
    /// A first policy.
    case learnt(HeldPolicy)
    /// Another policy than the one we held.
    case replaced(old: HeldPolicy, new: HeldPolicy)
    /// A policy with no name that a host could have: where it is enforced, mail to the domain is deferred.
    case noUsableMX(HeldPolicy)
    /// The policy cannot be fetched any more, or at all. `held`: what is applied meanwhile.
    case fetchFailed(PolicyFailure, held: HeldPolicy?)
    /// This host failed at the fetch: nothing is known of the policy host.
    case fetchFailedLocally(PolicyFailure, held: HeldPolicy?)
    /// So much of its life, in percent, has gone by, and it still cannot be fetched again (RFC 8461 §10.2).
    case lifeRunsOut(percent: Int, PolicyFailure, held: HeldPolicy)
    /// Its life is over, and no fetch has renewed it. `failure`: the last fetch, if it failed.
    case lifeEnded(HeldPolicy, failure: PolicyFailure?)
    /// It can be fetched again.
    case fetchRecovered
    /// The record is gone or unusable while we hold a policy, which is applied until its life ends (RFC 8461 §3.1).
    case recordLost(RecordAbsence, held: HeldPolicy)
    /// The TXT query fails.
    case recordFailed(DNSFailure, held: HeldPolicy?)
    /// The TXT query is answered again.
    case recordRecovered
}

/// What there is to tell when something new is known.
extension LedgerEntry {
    func recordChange(to finding: RecordFinding, at now: WallTime) -> [Change] {
        let held = applicable(at: now)
        let failedBefore = if case .failed = record?.finding { true } else { false }
        switch finding {
        case .failed(let failure):
            return failedBefore ? [] : [.recordFailed(failure, held: held)]
        case .absent(let absence):
            let recovered: [Change] = failedBefore ? [.recordRecovered] : []
            guard let held, record?.finding != finding else { return recovered }
            return recovered + [.recordLost(absence, held: held)]
        case .published:
            return failedBefore ? [.recordRecovered] : []
        }
    }

    func policyChange(to new: HeldPolicy) -> [Change] {
        // Trouble with a policy of mode none is not told, so its end is not either (§8.3).
        let hasFailed = failedFetch != nil || localFetchFailure != nil
        let wasTold = hasFailed && held?.policy.mode != STSPolicy.Mode.none
        var changes: [Change] = wasTold ? [.fetchRecovered] : []
        if let old = held {
            // The same policy fetched again is no news, even where its life was over in between.
            guard old.text != new.text || old.id != new.id else { return changes }
            changes.append(.replaced(old: old, new: new))
        } else if lastFetch == nil || new.policy.maxAge > 0 {
            changes.append(.learnt(new))
        }
        if new.policy.mode != .none, new.policy.hostPatterns.isEmpty { changes.append(.noUsableMX(new)) }
        return changes
    }

    func failureChange(to failed: FailedFetch, at now: WallTime) -> [Change] {
        // The same trouble again is no news; another kind of trouble, or another id's, is.
        if let before = failedFetch, before.id == failed.id, before.category == failed.category {
            return []
        }
        return [.fetchFailed(failed.failure, held: applicable(at: now))]
    }

    /// The first failure of this host since the last fetch.
    func localFailureChange(to failure: PolicyFailure, at now: WallTime) -> [Change] {
        localFetchFailure == nil ? [.fetchFailedLocally(failure, held: applicable(at: now))] : []
    }

    /// The end of the policy's life, once. A clock that was ahead may come back, and the policy lives again.
    mutating func endChange(at now: WallTime) -> [Change] {
        guard let held, held.policy.mode != .none else { return [] }
        guard !held.applies(at: now) else {
            isEndLogged = false
            return []
        }
        guard !isEndLogged else { return [] }
        isEndLogged = true
        return [.lifeEnded(held, failure: failedFetch?.failure)]
    }

    /// What there is to tell of a life that cannot be renewed; it is told once.
    mutating func lifeChange(at now: WallTime) -> [Change] {
        guard let mark = passedMark(at: now), let held, let failed = failedFetch else { return [] }
        told = mark
        return [.lifeRunsOut(percent: Int(mark.rawValue), failed.failure, held: held)]
    }
}

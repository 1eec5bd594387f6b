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
    /// It can be fetched again.
    case fetchRecovered
    /// The record is gone or unusable while we hold a policy, which is applied until its life ends (RFC 8461 §3.1).
    case recordLost(RecordAbsence, held: HeldPolicy)
    /// The TXT query fails.
    case recordFailed(DNSFailure, held: HeldPolicy?)
    /// The TXT query is answered again.
    case recordRecovered
}

extension PolicyLedger {
    func recordChange(from entry: LedgerEntry, to finding: RecordFinding, at now: WallTime) -> [Change] {
        let held = entry.applicable(at: now)
        let failedBefore = if case .failed = entry.record?.finding { true } else { false }
        switch finding {
        case .failed(let failure):
            return failedBefore ? [] : [.recordFailed(failure, held: held)]
        case .absent(let absence):
            let recovered: [Change] = failedBefore ? [.recordRecovered] : []
            guard let held, entry.record?.finding != finding else { return recovered }
            return recovered + [.recordLost(absence, held: held)]
        case .published:
            return failedBefore ? [.recordRecovered] : []
        }
    }

    func policyChange(from entry: LedgerEntry, to new: HeldPolicy) -> [Change] {
        var changes: [Change] = entry.failedFetch == nil ? [] : [.fetchRecovered]
        if let old = entry.held {
            // The same policy fetched again is no news, even where its life was over in between.
            guard old.text != new.text || old.id != new.id else { return changes }
            changes.append(.replaced(old: old, new: new))
        } else if entry.lastFetch == nil || new.policy.maxAge > 0 {
            changes.append(.learnt(new))
        }
        if new.policy.mode != .none, new.policy.hostPatterns.isEmpty { changes.append(.noUsableMX(new)) }
        return changes
    }

    func failureChange(from entry: LedgerEntry, to failed: LedgerEntry.FailedFetch, at now: WallTime) -> [Change] {
        // The same trouble again is no news; another kind of trouble, or another id's, is.
        if let before = entry.failedFetch, before.id == failed.id, before.failure.category == failed.failure.category {
            return []
        }
        return [.fetchFailed(failed.failure, held: entry.applicable(at: now))]
    }
}

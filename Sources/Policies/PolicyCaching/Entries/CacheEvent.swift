import Discovery
import MTASTS
import TextFormats

/// A change of what is known about a domain. Each is logged once.
package enum CacheEvent: Equatable, Sendable {
    /// The first policy.
    case new(CachedPolicy)
    /// A policy that differs from the cached one.
    case replaced(old: CachedPolicy, new: CachedPolicy)
    /// A policy without a usable mx. If it is enforced, mail to the domain is deferred.
    case noUsableMX(CachedPolicy)
    /// The policy cannot be fetched. `cached`: the policy that still applies.
    case fetchFailed(PolicyFetchError, cached: CachedPolicy?)
    /// The fetch failed because of this host. Nothing is known of the policy host.
    case fetchFailedLocally(PolicyFetchError, cached: CachedPolicy?)
    /// This percentage of the lifetime has passed, and the policy still cannot be refreshed (RFC 8461 §10.2).
    case expiresSoon(percent: Int, PolicyFetchError, cached: CachedPolicy)
    /// The policy has expired, and no fetch has renewed it. `failure`: the last fetch, if it failed.
    case expired(CachedPolicy, failure: PolicyFetchError?)
    /// The policy can be fetched again.
    case fetchRecovered
    /// The record is missing or unusable while a policy is cached. The policy applies until it expires (RFC 8461 §3.1).
    case recordMissing(RecordAbsence, cached: CachedPolicy)
    /// The TXT query fails.
    case recordFailed(DNSError, cached: CachedPolicy?)
    /// The TXT query succeeds again.
    case recordRecovered
}

/// The events that follow from new results.
extension CacheEntry {
    func recordEvents(for result: RecordResult, at now: WallTime) -> [CacheEvent] {
        let cached = applicable(at: now)
        let failedBefore = if case .failed = record?.result { true } else { false }
        switch result {
        case .failed(let failure):
            return failedBefore ? [] : [.recordFailed(failure, cached: cached)]
        case .absent(let absence):
            let recovered: [CacheEvent] = failedBefore ? [.recordRecovered] : []
            guard let cached, record?.result != result else { return recovered }
            return recovered + [.recordMissing(absence, cached: cached)]
        case .published:
            return failedBefore ? [.recordRecovered] : []
        }
    }

    func policyEvents(for new: CachedPolicy) -> [CacheEvent] {
        // Errors of a policy of mode none are not logged, so their end is not logged either (§8.3).
        let hasFailed = failedFetch != nil || localFetchFailure != nil
        let wasLogged = hasFailed && cached?.policy.mode != STSPolicy.Mode.none
        var events: [CacheEvent] = wasLogged ? [.fetchRecovered] : []
        if let old = cached {
            // The same policy fetched again is no event, even if it had expired in between.
            guard old.policy.octets != new.policy.octets || old.id != new.id else { return events }
            events.append(.replaced(old: old, new: new))
        } else if lastFetch == nil || new.policy.maxAge > 0 {
            events.append(.new(new))
        }
        if new.policy.mode != .none, !new.policy.namesHost { events.append(.noUsableMX(new)) }
        return events
    }

    func failureEvents(for failed: FailedFetch, at now: WallTime) -> [CacheEvent] {
        // The same error again is no event. Another category, or the error of another id, is one.
        if let before = failedFetch, before.id == failed.id, before.category == failed.category {
            return []
        }
        return [.fetchFailed(failed.failure, cached: applicable(at: now))]
    }

    /// An event for the first error of this host since the last fetch.
    func localFailureEvents(for failure: PolicyFetchError, at now: WallTime) -> [CacheEvent] {
        localFetchFailure == nil ? [.fetchFailedLocally(failure, cached: applicable(at: now))] : []
    }

    /// The expiry of the policy, once. If a clock that was ahead is set back, the policy applies again and expires later.
    mutating func expiryEvents(at now: WallTime) -> [CacheEvent] {
        guard let cached, cached.policy.mode != .none else { return [] }
        guard !cached.applies(at: now) else {
            isExpiryLogged = false
            return []
        }
        guard !isExpiryLogged else { return [] }
        isExpiryLogged = true
        return [.expired(cached, failure: failedFetch?.failure)]
    }

    /// The warning that the policy cannot be refreshed, once.
    mutating func warningEvents(at now: WallTime) -> [CacheEvent] {
        guard let warning = dueWarning(at: now), let cached, let failed = failedFetch else { return [] }
        lastWarning = warning
        return [.expiresSoon(percent: Int(warning.rawValue), failed.failure, cached: cached)]
    }
}

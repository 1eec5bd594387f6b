import MTASTS
import TextFormats

/// The percentage of a policy's lifetime after which a warning is logged if the policy cannot be refreshed (RFC 8461 §10.2).
enum ExpiryWarning: UInt8, Comparable, Sendable {
    case start = 0
    case half = 50
    case nearEnd = 90

    var next: ExpiryWarning? {
        switch self {
        case .start: .half
        case .half: .nearEnd
        case .nearEnd: nil
        }
    }

    static func < (left: ExpiryWarning, right: ExpiryWarning) -> Bool { left.rawValue < right.rawValue }
}

extension CachedPolicy {
    /// When this warning is due, as seen from `now`.
    func time(of warning: ExpiryWarning, asOf now: WallTime) -> WallTime {
        lifetimeStart(asOf: now) + lifetime / 100 * Int(warning.rawValue)
    }
}

/// When a policy is refreshed in the background (RFC 8461 §3.3, §10.2).
extension CacheEntry {
    /// Whether Postfix looked the domain up recently. A time in the future counts as now: the clock may be behind.
    func isInUse(at now: WallTime, settings refresh: RefreshSettings) -> Bool {
        lastLookupAt > now || now - lastLookupAt < refresh.inUse
    }

    /// When to refresh; `nil`: not at all.
    ///
    /// After a successful fetch: between three quarters of the interval and the whole interval. After failures: at the end of
    /// their pause. Overdue refreshes are spread over the rest of the interval or of half the lifetime.
    func nextRefresh(at now: WallTime, settings: CacheSettings, jitter: Double) -> WallTime? {
        let refresh = settings.refresh
        guard let cached = applicable(at: now), isInUse(at: now, settings: refresh),
            let interval = refresh.interval(forLifetime: cached.lifetime)
        else { return nil }
        let pauseEnd = pauseEnd(at: now, settings: settings, jitter: jitter)
        let end = cached.end(asOf: now)
        let retry = pauseEnd.map { halfway(to: end, at: now, settings: settings, pauseEnd: $0) }
        if cached.isAhead(of: now) { return retry ?? now }
        let due = retry ?? cached.fetchedAt + max(refresh.minimumInterval, interval * (0.75 + jitter / 4))
        guard due <= now else { return due < end ? due : nil }
        return now + min(interval, (end - now) / 2) * jitter
    }

    /// The end of a pause, but at the latest when half of the remaining lifetime has passed. Tries so become more frequent
    /// towards the expiry, down to the first pause after a failure.
    private func halfway(
        to end: WallTime, at now: WallTime, settings: CacheSettings, pauseEnd: WallTime
    ) -> WallTime {
        guard let failedFetch else { return pauseEnd }
        let earliest = min(failedFetch.at, now) + settings.retryAfter
        return min(pauseEnd, max(earliest, now + (end - now) / 2))
    }

    /// The end of the pause after failed fetches. The jitter only makes it longer, because RFC 8461 §3.3 sets a minimum. A
    /// failure in the future, from a clock that was ahead, counts as now.
    private func pauseEnd(at now: WallTime, settings: CacheSettings, jitter: Double) -> WallTime? {
        failedFetch.map { failed in
            min(failed.at, now) + settings.refresh.pause(after: failed.count, first: settings.retryAfter)
                * (1 + jitter / 4)
        }
    }

    /// The next warning to be logged; `nil`: the policy can be refreshed, or all warnings are logged.
    func nextWarning(at now: WallTime) -> ExpiryWarning? {
        guard failedFetch != nil, let cached = applicable(at: now), cached.policy.mode != .none else { return nil }
        return lastWarning.next
    }

    /// The last warning that is due and not logged.
    func dueWarning(at now: WallTime) -> ExpiryWarning? {
        var due: ExpiryWarning?
        var warning = nextWarning(at: now)
        while let next = warning, let cached, cached.time(of: next, asOf: now) <= now {
            due = next
            warning = next.next
        }
        return due
    }
}

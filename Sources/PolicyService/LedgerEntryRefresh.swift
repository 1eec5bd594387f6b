import MTASTS

/// How far a policy's life has gone: the points at which the log is told that it cannot be renewed (RFC 8461 §10.2).
enum LifeMark: UInt8, Comparable, Sendable {
    case start = 0
    case half = 50
    case nearEnd = 90

    var next: LifeMark? {
        switch self {
        case .start: .half
        case .half: .nearEnd
        case .nearEnd: nil
        }
    }

    static func < (left: LifeMark, right: LifeMark) -> Bool { left.rawValue < right.rawValue }
}

extension HeldPolicy {
    /// When the life has gone so far, as seen from `now`.
    func time(of mark: LifeMark, asOf now: WallTime) -> WallTime {
        lifeStart(asOf: now) + lifetime / 100 * Int(mark.rawValue)
    }
}

/// When a policy is fetched again in the background (RFC 8461 §3.3, §10.2).
extension LedgerEntry {
    /// Whether Postfix asked for it lately. A time in the future counts as now: the clock may be behind.
    func isInUse(at now: WallTime, _ refresh: RefreshSettings) -> Bool {
        askedAt > now || now - askedAt < refresh.inUse
    }

    /// When to fetch again; `nil`: no background work for this one.
    ///
    /// Well: between three quarters and the whole of the interval after the fetch. After failures: when their pause is
    /// over. What is overdue, because the daemon did not run or nobody asked, is spread over what is left of the day or of
    /// half the life.
    func nextRefresh(at now: WallTime, _ settings: LedgerSettings, jitter: Double) -> WallTime? {
        let refresh = settings.refresh
        guard let held = applicable(at: now), isInUse(at: now, refresh),
            let interval = refresh.interval(forLife: held.lifetime)
        else { return nil }
        let pauseEnd = pauseEnd(at: now, settings, jitter)
        let end = held.end(asOf: now)
        let retry = pauseEnd.map { atLatestHalfway(to: end, at: now, settings, $0) }
        if held.isAhead(of: now) { return retry ?? now }
        let due = retry ?? held.fetchedAt + max(refresh.leastInterval, interval * (0.75 + jitter / 4))
        guard due <= now else { return due < end ? due : nil }
        return now + min(interval, (end - now) / 2) * jitter
    }

    /// The end of a pause, but when half of the rest of the life is over at the latest: so attempts become more frequent
    /// towards the end, down to the first pause after a failure.
    private func atLatestHalfway(
        to end: WallTime, at now: WallTime, _ settings: LedgerSettings, _ pauseEnd: WallTime
    ) -> WallTime {
        guard let failedFetch else { return pauseEnd }
        let earliest = min(failedFetch.at, now) + settings.retryAfter
        return min(pauseEnd, max(earliest, now + (end - now) / 2))
    }

    /// The end of the pause after failed fetches; never shorter than RFC 8461 §3.3 asks, so the jitter only adds. A failure
    /// in the future, from a clock that was ahead, counts as now.
    private func pauseEnd(at now: WallTime, _ settings: LedgerSettings, _ jitter: Double) -> WallTime? {
        failedFetch.map { failed in
            min(failed.at, now) + settings.refresh.pause(after: failed.count, first: settings.retryAfter)
                * (1 + jitter / 4)
        }
    }

    /// The point of the life that the log has to be told of next; `nil` while there is nothing to tell.
    func nextMark(at now: WallTime) -> LifeMark? {
        guard failedFetch != nil, let held = applicable(at: now), held.policy.mode != .none else { return nil }
        return told.next
    }

    /// The last point that has been passed and not been told of.
    func passedMark(at now: WallTime) -> LifeMark? {
        var passed: LifeMark?
        var mark = nextMark(at: now)
        while let next = mark, let held, held.time(of: next, asOf: now) <= now {
            passed = next
            mark = next.next
        }
        return passed
    }
}

import TextFormats

/// Whether it is logged that the clock is behind the fetch times of policies. It is logged once for each such period.
struct ClockNotice: Sendable {
    /// The latest fetch time that was ahead of the clock since the last call of `takeSpan`.
    private var latest: WallTime?
    /// It is logged, until the clock is ahead of this fetch time.
    private var loggedUntil: WallTime?

    /// The clock is behind this fetch time.
    mutating func isBehind(_ fetchedAt: WallTime) {
        latest = max(latest ?? fetchedAt, fetchedAt)
    }

    /// How far the clock is behind, if this is not logged yet.
    mutating func takeSpan(at now: WallTime) -> Duration? {
        if let logged = loggedUntil, !logged.isAhead(of: now) { loggedUntil = nil }
        guard let latest, latest.isAhead(of: now) else {
            self.latest = nil
            return nil
        }
        self.latest = nil
        let isNew = loggedUntil == nil
        loggedUntil = max(loggedUntil ?? latest, latest)
        return isNew ? latest - now : nil
    }
}

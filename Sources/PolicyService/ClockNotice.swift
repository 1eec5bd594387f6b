/// Whether the log has that the clock is behind the fetch times of policies: once for each time that it is.
struct ClockNotice: Sendable {
    /// The latest fetch that was found ahead of the clock since the last call of `takeSpan`.
    private var latest: WallTime?
    /// The log has it; until the clock has passed this fetch.
    private var loggedUntil: WallTime?

    /// The clock is behind this fetch.
    mutating func isBehind(_ fetchedAt: WallTime) {
        latest = max(latest ?? fetchedAt, fetchedAt)
    }

    /// How far the clock is behind, if the log does not have it yet.
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

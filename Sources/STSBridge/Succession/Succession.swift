import Logging
import SQLiteArchive
import ServiceLifecycle

/// From standing ready beside another daemon to being in its place: whoever has the cache file is in charge.
///
/// Waits until the file is free, for `limit` at most where the other one was not told to end: then it was a mistake to start
/// us, and it is the other one that Postfix asks. Once that one leaves, lookups are ours, and we stay however long it takes.
/// As a service it has to be the last one of its group, so that our own end is announced before anything stops.
/// Fails by: `CommandFailure` after `limit`.
struct Succession: Service {
    let archive: SQLiteArchive
    let limit: Duration
    let logger: Logger
    /// When our listeners stand.
    let listening: Milestone
    /// Called once, when the file is ours.
    let takeCharge: @Sendable () async -> Void

    private static let pulse = Duration.milliseconds(50)

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await self.follow() }
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            // The stop has begun while we waited.
        }
        try? await gracefulShutdown()
        archive.announceEnd()
    }

    private func follow() async throws {
        for await _ in listening.arrival {}
        // It ends as well where we are to stop before.
        try Task.checkCancellation()
        guard let first = archive.predecessor else { return await takeCharge() }
        logger.notice(
            "another daemon is in charge, waiting for it to end",
            metadata: ["reason": "\(first)", "seconds": "\(limit.components.seconds)"])
        let start = ContinuousClock.now
        var leavingSince: ContinuousClock.Instant?
        var isLateTold = false
        while let other = archive.predecessor {
            let now = ContinuousClock.now
            if other.isLeaving, leavingSince == nil { leavingSince = now }
            // Who has begun to leave has given its lookups to us, whatever its lock says since.
            if let leavingSince {
                if now - leavingSince > limit, !isLateTold {
                    isLateTold = true
                    logger.error(
                        "the other daemon was told to end and has not, nothing new is kept",
                        metadata: ["reason": "\(other)"])
                }
            } else if now - start >= limit {
                throw CommandFailure(other)
            }
            try await Task.sleep(for: Self.pulse)
        }
        await takeCharge()
        logger.notice("the other daemon has ended, in charge now")
    }
}

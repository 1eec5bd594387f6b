import Discovery
import Logging
import MTASTS

/// Tells changes to the log, one line each: messages are constants, facts are metadata.
///
/// Levels: info for a policy learnt or changed and for a recovery; warning for what weakens or endangers protection, or
/// holds mail; error for our own archive. Each line about a domain says by its `origin` why we know. Lookups are the
/// LookupServer's to log, at debug. The contract is in Documentation/logs.md.
struct ChangeLog: Sendable {
    let logger: Logger

    /// - Parameter now: what is left of a life is counted from here.
    func record(_ news: News, at now: WallTime, _ decisions: DecisionSettings) {
        guard !news.changes.isEmpty else { return }
        var logger = logger
        logger[metadataKey: "origin"] = "\(news.origin.rawValue)"
        for change in news.changes { record(change, of: news.domain, at: now, decisions, logger) }
    }

    /// What is wrong with the wall clock, in one line.
    ///
    /// - Parameters:
    ///   - step: by how much it was set since it was last looked at, backward below zero; `nil`: it was not.
    ///   - behind: how far the latest fetch of a policy lies in the future; `nil`: none does, or the log has it.
    func clock(step: Duration?, behind: Duration?) {
        var facts: Logger.Metadata = [:]
        facts["seconds"] = step.map { "\(abs($0.components.seconds))" }
        facts["fetched-ahead"] = behind.map { "\($0.components.seconds)" }
        switch (step, behind) {
        case (.some(..<Duration.zero), _):
            logger.warning("clock was set back: check this host's time synchronization", metadata: facts)
        case (.some, _):
            logger.warning("clock was set forward: check this host's time synchronization", metadata: facts)
        case (nil, .some):
            logger.warning(
                "policies were fetched in the future, the clock is behind: they apply and are fetched again",
                metadata: facts)
        case (nil, nil): break
        }
    }

    func archiveFailed(_ failure: ArchiveFailure) {
        logger.error("archive failed, going on from memory", metadata: ["reason": "\(failure)"])
    }

    func archiveRecovered(pending: Int) {
        logger.notice("archive works again", metadata: ["pending": "\(pending)"])
    }

    func loaded(_ count: Int) {
        logger.info("policies loaded", metadata: ["policies": "\(count)"])
    }

    func leftBehind(_ count: Int) {
        logger.error("policies not kept: the archive did not work until the end", metadata: ["policies": "\(count)"])
    }

    /// - Parameter domain: as it stands in the archive.
    func unreadable(_ domain: String, reason: String, _ origin: Origin) {
        logger.error(
            "kept policy cannot be read, dropped",
            metadata: [
                "domain": "\(RemoteText.escaped(domain))", "reason": "\(reason)", "origin": "\(origin.rawValue)",
            ])
    }

    private func record(
        _ change: Change, of domain: PolicyDomain, at now: WallTime, _ decisions: DecisionSettings, _ logger: Logger
    ) {
        switch change {
        case .learnt(let held):
            logger.info("policy learnt", metadata: Self.facts(of: held, domain))
        case .replaced(let old, let new):
            var facts = Self.facts(of: new, domain)
            facts["previous-mode"] = "\(old.policy.mode)"
            facts["previous-id"] = "\(old.id)"
            logger.info("policy replaced", metadata: facts)
        case .noUsableMX(let held):
            guard case .secure = Decision(.policy(held), settings: decisions).action else { return }
            logger.warning("enforced policy lists no usable mx, mail is deferred", metadata: ["domain": "\(domain)"])
        case .fetchFailed(let failure, let held):
            var facts = Self.facts(domain, reason: "\(failure)", held: held)
            facts["kind"] = failure.category.map { "\($0.rawValue)" }
            // §3.3: the administrator is told, except where the held mode is none.
            let level: Logger.Level = held?.policy.mode == STSPolicy.Mode.none ? .debug : .warning
            logger.log(level: level, "policy fetch failed", metadata: facts)
        case .fetchFailedLocally(let failure, let held):
            logger.warning(
                "policy not fetched because of an error on this host",
                metadata: Self.facts(domain, reason: "\(failure)", held: held))
        case .lifeRunsOut(let percent, let failure, let held):
            var facts = Self.facts(domain, reason: "\(failure)", held: held)
            facts["passed"] = "\(percent)%"
            facts["expires-in"] = "\(max(.zero, held.end(asOf: now) - now).components.seconds / 60)m"
            logger.warning("policy cannot be renewed, its life runs out", metadata: facts)
        case .lifeEnded(let held, let failure):
            // One that was not enforced protected nothing.
            guard Decision(.policy(held), settings: decisions).rule == .enforce || decisions.enforceTesting else {
                return
            }
            var facts = Self.facts(of: held, domain)
            facts["reason"] = failure.map { "\($0)" }
            logger.warning("enforced policy expired, mail goes without it", metadata: facts)
        case .fetchRecovered:
            logger.info("policy fetch recovered", metadata: ["domain": "\(domain)"])
        case .recordLost(let absence, let held):
            let level: Logger.Level = held.policy.mode == .none ? .debug : .warning
            logger.log(
                level: level, "record lost, held policy still applies",
                metadata: Self.facts(domain, reason: "\(absence)", held: held))
        case .recordFailed(let failure, let held):
            let level: Logger.Level = held == nil ? .info : .warning
            logger.log(
                level: level, "record lookup failed", metadata: Self.facts(domain, reason: "\(failure)", held: held))
        case .recordRecovered:
            logger.info("record lookup recovered", metadata: ["domain": "\(domain)"])
        }
    }

    private static func facts(of held: HeldPolicy, _ domain: PolicyDomain) -> Logger.Metadata {
        [
            "domain": "\(domain)", "mode": "\(held.policy.mode)", "id": "\(held.id)",
            "max-age": "\(held.policy.maxAge)", "mx": "\(held.policy.mx.map(\.description).joined(separator: ","))",
        ]
    }

    private static func facts(_ domain: PolicyDomain, reason: String, held: HeldPolicy?) -> Logger.Metadata {
        ["domain": "\(domain)", "reason": "\(reason)", "applied": "\(held.map { "\($0.policy.mode)" } ?? "nothing")"]
    }
}

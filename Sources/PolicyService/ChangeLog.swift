import Discovery
import Logging
import MTASTS

/// Tells changes to the log, one line each: messages are constants, facts are metadata.
///
/// Levels: info for a policy learnt or changed and for a recovery; warning for what weakens or endangers protection, or
/// holds mail; error for our own archive. Lookups are the LookupServer's to log, at debug.
struct ChangeLog: Sendable {
    let logger: Logger
    let decisions: DecisionSettings

    func record(_ landing: Landing) {
        for change in landing.changes { record(change, of: landing.domain) }
    }

    func archiveFailed(_ failure: ArchiveFailure) {
        logger.error("archive failed, going on from memory", metadata: ["reason": "\(failure)"])
    }

    func unreadable(_ archived: ArchivedPolicy) {
        logger.error("kept policy no longer parses, dropped", metadata: ["domain": "\(archived.domain)"])
    }

    private func record(_ change: Change, of domain: PolicyDomain) {
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
            facts["kind"] = "\(failure.category.rawValue)"
            // §3.3: the administrator is told, except where the held mode is none.
            let level: Logger.Level = held?.policy.mode == STSPolicy.Mode.none ? .debug : .warning
            logger.log(level: level, "policy fetch failed", metadata: facts)
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

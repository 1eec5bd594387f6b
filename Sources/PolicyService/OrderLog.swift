import Logging
import MTASTS

/// What the operator does, and what becomes of it, in the log.
///
/// Levels: notice for what the operator has ordered; warning for the end of an order, which changes how mail is delivered;
/// error for orders that cannot be read.
extension ChangeLog {
    func ordered(_ override: DomainOverride, at now: WallTime) {
        logger.notice("override ordered", metadata: Self.facts(of: override, at: now))
    }

    func removed(_ override: DomainOverride, by author: String, at now: WallTime) {
        var facts = Self.facts(of: override, at: now)
        facts["removed-by"] = "\(Self.printable(author))"
        logger.notice("override removed", metadata: facts)
    }

    func record(_ news: OrderBook.News, at now: WallTime) {
        switch news {
        case .endsSoon(let override):
            logger.warning("override ends soon", metadata: Self.facts(of: override, at: now))
        case .ended(let override):
            logger.warning("override has ended", metadata: Self.facts(of: override, at: now))
        case .dropped:
            break
        }
    }

    func observing(_ observing: Observing) {
        let author = observing.isConfigured ? "policy.observe" : Self.printable(observing.order?.author ?? "")
        if observing.isOn {
            logger.notice("observe mode is on: Postfix is told nothing", metadata: ["author": "\(author)"])
        } else {
            logger.notice("observe mode is off", metadata: ["author": "\(author)"])
        }
    }

    func forgotten(_ domain: PolicyDomain) {
        logger.notice("domain forgotten", metadata: ["domain": "\(domain)", "origin": "\(Origin.admin.rawValue)"])
    }

    // MARK: The archive

    func ordersLoaded(_ count: Int) {
        logger.info("overrides loaded", metadata: ["overrides": "\(count)"])
    }

    func ordersLate() {
        logger.error("overrides are not loaded yet, going on without: exempted and pinned domains are as any other")
    }

    func ordersLeftOut(_ count: Int) {
        logger.error("too many kept overrides, some left out", metadata: ["overrides": "\(count)"])
    }

    /// - Parameter subject: the domain as it stands in the archive.
    func unreadableOrder(_ subject: String, reason: String) {
        logger.error(
            "kept order cannot be read, left out",
            metadata: [
                "domain": "\(RemoteText.escaped(subject))", "reason": "\(reason)",
                "origin": "\(Origin.start.rawValue)",
            ])
    }

    private static func printable(_ author: String) -> String {
        RemoteText.printable(author, limit: DomainOverride.longestText)
    }

    private static func facts(of override: DomainOverride, at now: WallTime) -> Logger.Metadata {
        var facts: Logger.Metadata = [
            "domain": "\(override.domain)", "origin": "\(Origin.admin.rawValue)", "kind": "\(override.kind)",
            "reason": "\(override.reason)",
            "author": "\(override.author)",
        ]
        guard let until = override.until else { return facts }
        facts["until"] = "\(RFC3339.shown(until))"
        if now < until { facts["ends-in"] = "\((until - now).components.seconds / 60)m" }
        return facts
    }
}

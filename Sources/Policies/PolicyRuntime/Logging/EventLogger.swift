import Discovery
import Logging
import MTASTS
import PolicyCaching
import TextFormats

/// Logs cache events and store errors, one line each. Messages are constants; values are metadata.
///
/// The level is info for a new or changed policy and for a recovery, warning for what weakens protection or defers mail, and
/// error for the store. Each line about a domain has an `origin`: the reason for which the domain was looked up.
/// Documentation/logs.md lists all messages.
/// Not here: lookups, which TableServer logs at debug.
struct EventLogger: Sendable {
    let logger: Logger

    func record(_ events: DomainEvents, at now: WallTime, decisions: DecisionSettings) {
        var logger = logger
        logger[metadataKey: "origin"] = "\(events.origin.rawValue)"
        for event in events.events {
            record(event, of: events.domain, at: now, decisions: decisions, logger: logger)
        }
    }

    /// Logs steps of the wall clock, in one line.
    ///
    /// - Parameters:
    ///   - step: how far the clock was set since the last check, negative if it was set back; `nil` if it was not set.
    ///   - behind: how far the clock is behind the latest fetch; `nil` if it is not, or if this is logged already.
    func clock(step: Duration?, behind: Duration?) {
        var metadata: Logger.Metadata = [:]
        metadata["seconds"] = step.map { "\(abs($0.components.seconds))" }
        metadata["fetched-ahead"] = behind.map { "\($0.components.seconds)" }
        switch (step, behind) {
        case (.some(..<Duration.zero), _):
            logger.warning("clock was set back: check this host's time synchronization", metadata: metadata)
        case (.some, _):
            logger.warning("clock was set forward: check this host's time synchronization", metadata: metadata)
        case (nil, .some):
            logger.warning(
                "clock is behind the fetch times of policies: they apply and are fetched again",
                metadata: metadata)
        case (nil, nil): break
        }
    }

    // MARK: The store

    func storeFailed(_ error: StoreError) {
        logger.error("cache file error, continuing in memory", metadata: ["reason": "\(error)"])
    }

    func storeRecovered(pending: Int) {
        logger.notice("cache file works again", metadata: ["pending": "\(pending)"])
    }

    /// - Parameter ids: the process ids, ascending.
    func otherProcesses(_ ids: [Int32]) {
        guard !ids.isEmpty else { return logger.notice("no other process uses the cache file") }
        let list = ids.map(String.init).joined(separator: ",")
        logger.notice("another process uses the cache file", metadata: ["processes": "\(list)"])
    }

    func policiesLoaded(_ count: Int) {
        logger.info("policies loaded", metadata: ["policies": "\(count)"])
    }

    func changesNotWritten(_ count: Int) {
        logger.error("changes not written, the cache file failed until the end", metadata: ["changes": "\(count)"])
    }

    /// - Parameter domain: as it is in the store; untrusted.
    func unreadablePolicy(_ domain: String, reason: String, origin: Origin) {
        logger.error(
            "unreadable policy in the cache file, ignored",
            metadata: [
                "domain": "\(UntrustedText.escaped(domain))", "reason": "\(reason)", "origin": "\(origin.rawValue)",
            ])
    }

    // MARK: Cache events

    private func record(
        _ event: CacheEvent, of domain: PolicyDomain, at now: WallTime, decisions: DecisionSettings, logger: Logger
    ) {
        switch event {
        case .new, .replaced, .noUsableMX, .expired:
            recordPolicy(event, of: domain, decisions: decisions, logger: logger)
        case .fetchFailed, .fetchFailedLocally, .expiresSoon, .fetchRecovered:
            recordFetch(event, of: domain, at: now, logger: logger)
        case .recordMissing(let absence, let cached):
            let level: Logger.Level = cached.policy.mode == .none ? .debug : .warning
            logger.log(
                level: level, "TXT record missing, cached policy still applies",
                metadata: Self.metadata(domain, reason: "\(absence)", cached: cached))
        case .recordFailed(let error, let cached):
            let level: Logger.Level = cached == nil ? .info : .warning
            logger.log(
                level: level, "record lookup failed",
                metadata: Self.metadata(domain, reason: "\(error)", cached: cached))
        case .recordRecovered:
            logger.info("record lookup recovered", metadata: ["domain": "\(domain)"])
        }
    }

    private func recordPolicy(
        _ event: CacheEvent, of domain: PolicyDomain, decisions: DecisionSettings, logger: Logger
    ) {
        switch event {
        case .new(let cached):
            logger.info("new policy", metadata: Self.metadata(domain, cached: cached))
        case .replaced(let old, let new):
            var metadata = Self.metadata(domain, cached: new)
            metadata["previous-mode"] = "\(old.policy.mode)"
            metadata["previous-id"] = "\(old.id)"
            logger.info("policy replaced", metadata: metadata)
        case .noUsableMX(let cached):
            guard case .secure = Decision(.policy(cached), settings: decisions).action else { return }
            logger.warning("enforced policy lists no usable mx, mail is deferred", metadata: ["domain": "\(domain)"])
        case .expired(let cached, let error):
            // A policy that was not enforced protected nothing.
            guard Decision(.policy(cached), settings: decisions).rule == .enforce || decisions.enforceTesting else {
                return
            }
            var metadata = Self.metadata(domain, cached: cached)
            metadata["reason"] = error.map { "\($0)" }
            logger.warning("enforced policy expired, mail is sent without it", metadata: metadata)
        default: break
        }
    }

    private func recordFetch(_ event: CacheEvent, of domain: PolicyDomain, at now: WallTime, logger: Logger) {
        switch event {
        case .fetchFailed(let error, let cached):
            var metadata = Self.metadata(domain, reason: "\(error)", cached: cached)
            metadata["kind"] = error.category.map { "\($0.rawValue)" }
            // §3.3: warn the administrator, except if the cached mode is none.
            let level: Logger.Level = cached?.policy.mode == STSPolicy.Mode.none ? .debug : .warning
            logger.log(level: level, "policy fetch failed", metadata: metadata)
        case .fetchFailedLocally(let error, let cached):
            logger.warning(
                "policy not fetched because of an error on this host",
                metadata: Self.metadata(domain, reason: "\(error)", cached: cached))
        case .expiresSoon(let percent, let error, let cached):
            var metadata = Self.metadata(domain, reason: "\(error)", cached: cached)
            metadata["passed"] = "\(percent)%"
            metadata["expires-in"] = "\(max(.zero, cached.end(asOf: now) - now).components.seconds / 60)m"
            logger.warning("policy refresh failing, policy expires soon", metadata: metadata)
        case .fetchRecovered:
            logger.info("policy fetch recovered", metadata: ["domain": "\(domain)"])
        default: break
        }
    }

    private static func metadata(_ domain: PolicyDomain, cached: CachedPolicy) -> Logger.Metadata {
        [
            "domain": "\(domain)", "mode": "\(cached.policy.mode)", "id": "\(cached.id)",
            "max-age": "\(cached.policy.maxAge)", "mx": "\(cached.policy.mx.map(\.description).joined(separator: ","))",
        ]
    }

    private static func metadata(_ domain: PolicyDomain, reason: String, cached: CachedPolicy?) -> Logger.Metadata {
        ["domain": "\(domain)", "reason": "\(reason)", "applied": "\(cached.map { "\($0.policy.mode)" } ?? "nothing")"]
    }
}

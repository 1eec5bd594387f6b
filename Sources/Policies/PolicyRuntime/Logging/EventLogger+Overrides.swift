import Logging
import MTASTS
import PolicyCaching
import TextFormats

/// Log messages about overrides, observe mode and `cache forget`.
///
/// The level is notice for a command of the operator, warning for the end of an override, which changes how mail is
/// delivered, and error for overrides that cannot be read.
extension EventLogger {
    func overrideSet(_ override: Override, at now: WallTime) {
        logger.notice("override set", metadata: Self.metadata(override, at: now))
    }

    func overrideRemoved(_ override: Override, by author: String, at now: WallTime) {
        var metadata = Self.metadata(override, at: now)
        metadata["removed-by"] = "\(Self.printable(author))"
        logger.notice("override removed", metadata: metadata)
    }

    func record(_ event: OverrideStore.Event, at now: WallTime) {
        switch event {
        case .endsSoon(let override):
            logger.warning("override ends soon", metadata: Self.metadata(override, at: now))
        case .ended(let override):
            logger.warning("override ended", metadata: Self.metadata(override, at: now))
        case .dropped:
            break
        }
    }

    func observeMode(_ mode: ObserveMode) {
        let author = mode.isConfigured ? "policy.observe" : Self.printable(mode.change?.author ?? "")
        if mode.isOn {
            logger.notice("observe mode is on: Postfix gets no policy", metadata: ["author": "\(author)"])
        } else {
            logger.notice("observe mode is off", metadata: ["author": "\(author)"])
        }
    }

    func domainForgotten(_ domain: PolicyDomain) {
        logger.notice("domain forgotten", metadata: ["domain": "\(domain)", "origin": "\(Origin.admin.rawValue)"])
    }

    // MARK: The store

    func overridesLoaded(_ count: Int) {
        logger.info("overrides loaded", metadata: ["overrides": "\(count)"])
    }

    func overridesDelayed() {
        logger.error(
            "overrides not loaded yet, continuing without: exempted and pinned domains are answered like any other")
    }

    func overridesIgnored(_ count: Int) {
        logger.error("too many overrides in the cache file, some ignored", metadata: ["overrides": "\(count)"])
    }

    /// - Parameter subject: the domain as it is in the store; untrusted.
    func unreadableOverride(_ subject: String, reason: String) {
        logger.error(
            "unreadable override in the cache file, ignored",
            metadata: [
                "domain": "\(UntrustedText.escaped(subject))", "reason": "\(reason)",
                "origin": "\(Origin.start.rawValue)",
            ])
    }

    private static func printable(_ author: String) -> String {
        UntrustedText.printable(author, limit: Override.maximumTextLength)
    }

    private static func metadata(_ override: Override, at now: WallTime) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "domain": "\(override.domain)", "origin": "\(Origin.admin.rawValue)", "kind": "\(override.kind)",
            "reason": "\(override.reason)",
            "author": "\(override.author)",
        ]
        guard let until = override.until else { return metadata }
        metadata["until"] = "\(RFC3339.clampedText(of: until))"
        if now < until { metadata["ends-in"] = "\((until - now).components.seconds / 60)m" }
        return metadata
    }
}

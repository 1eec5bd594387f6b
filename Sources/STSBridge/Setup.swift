import Logging
import LookupServer
import PolicyService

/// One configuration, and what follows from it on this host: the Postfix at hand, the ways out to DNS and HTTPS.
///
/// Made at the start, for `query`, and again for each reload, which so refuse the same things with the same words.
/// Threads: making one blocks for some milliseconds, for five seconds at most (postconf); not for an event loop.
struct Setup: Sendable {
    let configuration: Configuration
    let postfix: PostfixAtHand
    let upstream: Upstream

    /// - Throws: `CommandFailure` when something the configuration names cannot be had.
    init(_ configuration: Configuration, logger: Logger) throws(CommandFailure) {
        self.configuration = configuration
        postfix = PostfixAtHand(configuration)
        upstream = try Upstream(configuration, wantsDANE: postfix.wantsDANE, logger: logger)
    }

    /// Most of the fetcher is left to lookups.
    var ledger: LedgerSettings {
        var ledger = configuration.ledger
        ledger.refresh.maximumInFlight = max(1, min(ledger.refresh.maximumInFlight, configuration.maximumFetches / 4))
        return ledger
    }

    /// As many connections as the limit of open files leaves room for.
    var lookup: LookupSettings {
        var lookup = configuration.lookup
        lookup.dialect = postfix.dialect
        lookup.maximumConnections = DescriptorLimit.connections(
            wanted: lookup.maximumConnections, fetches: configuration.maximumFetches)
        return lookup
    }

    /// Says what in the configuration does not go together with Postfix, or with this process's limits.
    func tellConflicts(_ logger: Logger) {
        if let failure = postfix.failure {
            logger.warning("Postfix cannot be asked, its settings are guessed", metadata: ["reason": "\(failure)"])
        }
        for conflict in postfix.conflicts where conflict.consequence == .warning {
            logger.warning("configuration does not fit", metadata: ["key": "\(conflict.key)", "reason": "\(conflict)"])
        }
        let (wanted, possible) = (configuration.lookup.maximumConnections, lookup.maximumConnections)
        if possible < wanted {
            logger.warning(
                "fewer connections than configured: raise the limit of open files (LimitNOFILE, ulimit -n)",
                metadata: ["configured": "\(wanted)", "possible": "\(possible)"])
        }
    }
}

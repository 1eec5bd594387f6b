import DNSClient
import Logging
import LookupServer
import PolicyService
import PostfixSettings
import PostfixTable

/// One configuration, and what follows from it on this host: the Postfix at hand, the ways out to DNS and HTTPS.
///
/// Made at the start, for `query`, and again for each reload, which so refuse the same things with the same words.
/// Threads: making one blocks for some milliseconds, for five seconds at most (postconf); not for an event loop.
struct Setup: Sendable {
    let configuration: Configuration
    let postfix: PostfixAtHand
    let upstream: Upstream
    /// Of this host, by which keys name ports.
    let services: ServiceTable

    /// - Parameter before: the setup in force, where this one is to take its place.
    /// - Throws: `CommandFailure` when something the configuration names cannot be had.
    init(_ configuration: Configuration, before: Setup? = nil, logger: Logger) throws(CommandFailure) {
        self.configuration = configuration
        postfix = PostfixAtHand(configuration, before: before?.postfix)
        services = .system()
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
        lookup.understood = postfix.understood
        lookup.services = services
        lookup.maximumConnections = DescriptorLimit.connections(
            wanted: lookup.maximumConnections, fetches: configuration.maximumFetches)
        return lookup
    }

    var service: ServiceSettings {
        ServiceSettings(
            discovery: upstream.discovery, dane: upstream.dane, decisions: postfix.decisions, ledger: ledger)
    }

    /// What DNSSEC is watched through; `nil`: nobody looks for DANE. Where it is wanted whatever the servers do it stays on.
    var watched: DNSSECWatch.Subject? {
        upstream.validator.map { DNSSECWatch.Subject(validator: $0, switchesDANE: configuration.dnssec == .auto) }
    }

    /// What follows from the Postfix at hand, for the log.
    var facts: Logger.Metadata {
        ["dialect": "\(postfix.dialect.rawValue)", "dane": "\(upstream.validator == nil ? "off" : "on")"]
    }

    /// Says what in the configuration does not go together with Postfix, or with this process's limits.
    func tellConflicts(_ logger: Logger) {
        if let failure = postfix.failure {
            logger.warning(
                "Postfix cannot be asked, its settings are those it said last, or guessed",
                metadata: ["reason": "\(failure)"])
        }
        if configuration.nameServers.isEmpty, NameServer.areNoneListed() {
            logger.warning("resolv.conf names no DNS server, 127.0.0.1 is asked: set dns.servers")
        }
        for conflict in postfix.conflicts(looksForDANE: upstream.validator != nil)
        where conflict.consequence == .warning {
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

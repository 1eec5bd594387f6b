import Admin
import DNSClient
import Logging
import LookupServer
import PolicyService
import PostfixSettings
import PostfixTable

/// One configuration, and what follows from it on this host: Postfix's settings, the ways out to DNS and HTTPS.
///
/// `serve`, a reload, `query` and `config check` all make one, so they refuse the same configurations with the same words.
/// Threads: making one blocks for some milliseconds, for five seconds at most (postconf); not for an event loop.
struct Setup: Sendable {
    let configuration: Configuration
    let postfix: PostfixAtHand
    let upstream: Upstream
    /// Of this host, by which keys name ports.
    let services: ServiceTable

    /// - Parameters:
    ///   - before: the setup in force that this one replaces.
    ///   - answer: what postconf returned; `nil`: it is asked now.
    /// - Throws: `CommandFailure` if something that the configuration names is missing or unusable, or if the configuration
    ///   contradicts Postfix's settings.
    init(
        _ configuration: Configuration, before: Setup? = nil, answer: PostfixAnswer? = nil, logger: Logger
    ) throws(CommandFailure) {
        let answer = answer ?? PostfixAnswer.ask(before: before?.postfix.answer ?? .none)
        let postfix = PostfixAtHand(configuration, answer)
        try postfix.check()
        self.configuration = configuration
        self.postfix = postfix
        services = .system()
        upstream = try Upstream(configuration, wantsDANE: postfix.wantsDANE, logger: logger)
    }

    /// The same configuration beside other Postfix settings. Only the validator is made or dropped, if DANE is switched;
    /// DNS and HTTPS go on as they are.
    ///
    /// - Throws: `CommandFailure` if the configuration contradicts these settings.
    func following(_ answer: PostfixAnswer, logger: Logger) throws(CommandFailure) -> Setup {
        let postfix = PostfixAtHand(configuration, answer)
        try postfix.check()
        return Setup(
            configuration, postfix,
            upstream: try upstream.validating(configuration, wantsDANE: postfix.wantsDANE, logger: logger),
            services: services)
    }

    private init(
        _ configuration: Configuration, _ postfix: PostfixAtHand, upstream: Upstream, services: ServiceTable
    ) {
        self.configuration = configuration
        self.postfix = postfix
        self.upstream = upstream
        self.services = services
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
            wanted: lookup.maximumConnections, fetches: configuration.maximumFetches,
            operators: configuration.operatorConnections)
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
}

extension Setup {
    /// What follows from Postfix's settings, by the names that the log and `sts-bridge reload` use.
    private var derived: [(name: String, value: String)] {
        [
            ("dialect", postfix.dialect.rawValue), ("dane", upstream.validator == nil ? "off" : "on"),
            ("security-level", postfix.securityLevel.text),
        ]
    }

    /// For the log.
    var facts: Logger.Metadata {
        Dictionary(uniqueKeysWithValues: derived.map { ($0.name, "\($0.value)") })
    }

    /// Of what follows from Postfix's settings, all that is different in `other`.
    func changedFacts(in other: Setup) -> [ChangedFact] {
        zip(derived, other.derived).compactMap { old, new in
            old.value == new.value ? nil : ChangedFact(name: old.name, from: old.value, to: new.value)
        }
    }

    /// Says what in the configuration does not go together with Postfix, or with this process's limits.
    func tellConflicts(_ logger: Logger) {
        if let failure = postfix.answer.failure { Self.tell(failure, logger) }
        if configuration.nameServers.isEmpty, NameServer.areNoneListed() {
            logger.warning("resolv.conf names no DNS server, 127.0.0.1 is asked: set dns.servers")
        }
        tellPostfixConflicts(logger)
        let (wanted, possible) = (configuration.lookup.maximumConnections, lookup.maximumConnections)
        if possible < wanted {
            logger.warning(
                "fewer connections than configured: raise the limit of open files (LimitNOFILE, ulimit -n)",
                metadata: ["configured": "\(wanted)", "possible": "\(possible)"])
        }
    }

    /// - Parameter before: a setup whose conflicts are in the log already.
    func tellPostfixConflicts(_ logger: Logger, before: Setup? = nil) {
        let known = before?.warnings ?? []
        for conflict in warnings where !known.contains(conflict) {
            logger.warning("configuration does not fit", metadata: ["key": "\(conflict.key)", "reason": "\(conflict)"])
        }
    }

    private var warnings: [PostfixConflict] {
        postfix.conflicts(looksForDANE: upstream.validator != nil).filter { $0.consequence == .warning }
    }

    static func tell(_ failure: PostconfFailure, _ logger: Logger) {
        logger.warning(
            "Postfix cannot be asked, its settings are those it said last, or guessed",
            metadata: ["reason": "\(failure)"])
    }
}

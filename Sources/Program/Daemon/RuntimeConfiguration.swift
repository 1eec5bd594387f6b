import AdminAPI
import BridgeConfiguration
import DNSClient
import Logging
import PolicyCaching
import PolicyRuntime
import PostfixConfig
import PostfixTable
import TableServer

/// A configuration and the settings and clients that follow from it on this host: Postfix's settings, DNS, HTTPS.
///
/// `serve`, a reload, `query` and `config check` each make one, so they report the same errors.
/// Concurrency: `init` blocks for some milliseconds, for five seconds at most (postconf). Do not call it on an event loop.
/// Errors: `DaemonError`.
package struct RuntimeConfiguration: Sendable {
    package let configuration: Configuration
    package let postfix: DetectedPostfix
    package let upstream: Upstream
    /// The service names of this host, which keys may use as ports.
    let services: ServiceTable

    /// - Parameters:
    ///   - previous: the configuration that this one replaces.
    ///   - postconf: the result of postconf; `nil`: `init` runs it. Evaluated after the clients exist, so that postconf may run
    ///     while the CA file is read.
    /// - Throws: `DaemonError` if a file or resource that the configuration names is missing or unusable, or if the
    ///   configuration contradicts Postfix's settings.
    package init(
        _ configuration: Configuration, previous: RuntimeConfiguration? = nil,
        postconf: @autoclosure () -> PostconfResult? = nil, logger: Logger
    ) throws(DaemonError) {
        let upstream = try Upstream(configuration, wantsDANE: false, logger: logger)
        let postconf = postconf() ?? PostconfResult.run(previous: previous?.postfix.postconf ?? .none)
        let postfix = DetectedPostfix(configuration, postconf: postconf)
        try postfix.check()
        self.init(
            configuration, postfix: postfix,
            upstream: try upstream.validating(configuration, wantsDANE: postfix.wantsDANE, logger: logger),
            services: .system())
    }

    /// Returns the same configuration with other Postfix settings.
    ///
    /// The validator is created or dropped if DANE is switched. The clients for DNS and HTTPS stay.
    ///
    /// - Throws: `DaemonError` if the configuration contradicts these settings.
    func replacing(postconf: PostconfResult, logger: Logger) throws(DaemonError) -> RuntimeConfiguration {
        let postfix = DetectedPostfix(configuration, postconf: postconf)
        try postfix.check()
        return RuntimeConfiguration(
            configuration, postfix: postfix,
            upstream: try upstream.validating(configuration, wantsDANE: postfix.wantsDANE, logger: logger),
            services: services)
    }

    private init(
        _ configuration: Configuration, postfix: DetectedPostfix, upstream: Upstream, services: ServiceTable
    ) {
        self.configuration = configuration
        self.postfix = postfix
        self.upstream = upstream
        self.services = services
    }

    /// The settings of the policy cache. Refreshes use at most a quarter of the fetches; the rest is for lookups.
    var cache: CacheSettings {
        var cache = configuration.cache
        cache.refresh.maximumInFlight = max(1, min(cache.refresh.maximumInFlight, configuration.maximumFetches / 4))
        return cache
    }

    /// The settings of lookups. The limit of open files may reduce the number of connections.
    package var lookup: LookupSettings {
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
            discovery: upstream.discovery, dane: upstream.dane, decisions: postfix.decisions, cache: cache)
    }

    /// The subject of `DNSSECWatch`; `nil`: DANE is not looked up. With `dns.dnssec: on`, DANE stays on whatever the
    /// servers do.
    var dnssecSubject: DNSSECWatch.Subject? {
        upstream.validator.map { DNSSECWatch.Subject(validator: $0, switchesDANE: configuration.dnssec == .auto) }
    }
}

extension RuntimeConfiguration {
    /// The settings that follow from Postfix's, with the names that the log and `sts-bridge reload` use.
    private var derivedSettings: [(name: String, value: String)] {
        [
            ("dialect", postfix.dialect.rawValue), ("dane", upstream.validator == nil ? "off" : "on"),
            ("security-level", postfix.securityLevel.text),
        ]
    }

    /// The derived settings as fields of a log line.
    var logMetadata: Logger.Metadata {
        Dictionary(uniqueKeysWithValues: derivedSettings.map { ($0.name, "\($0.value)") })
    }

    /// Returns the derived settings that differ in `other`.
    func changedSettings(in other: RuntimeConfiguration) -> [ChangedSetting] {
        zip(derivedSettings, other.derivedSettings).compactMap { old, new in
            old.value == new.value ? nil : ChangedSetting(name: old.name, from: old.value, to: new.value)
        }
    }

    /// Logs each part of the configuration that does not fit Postfix, this host or the limits of this process.
    package func logConflicts(_ logger: Logger) {
        if let error = postfix.postconf.error { Self.log(error, to: logger) }
        if configuration.nameServers.isEmpty, NameServer.listsNoServers() {
            logger.warning("resolv.conf names no DNS server, using 127.0.0.1: set dns.servers")
        }
        logPostfixConflicts(logger)
        let (wanted, possible) = (configuration.lookup.maximumConnections, lookup.maximumConnections)
        if possible < wanted {
            logger.warning(
                "fewer connections than listen.max-connections: raise the limit of open files (LimitNOFILE, ulimit -n)",
                metadata: ["configured": "\(wanted)", "possible": "\(possible)"])
        }
    }

    /// - Parameter previous: a configuration whose conflicts are in the log already.
    func logPostfixConflicts(_ logger: Logger, previous: RuntimeConfiguration? = nil) {
        let known = previous?.warnings ?? []
        for conflict in warnings where !known.contains(conflict) {
            logger.warning(
                "configuration does not match Postfix",
                metadata: ["key": "\(conflict.key)", "reason": "\(conflict)"])
        }
    }

    private var warnings: [PostfixConflict] {
        postfix.conflicts(looksForDANE: upstream.validator != nil).filter { $0.consequence == .warning }
    }

    static func log(_ error: PostconfError, to logger: Logger) {
        logger.warning(
            "postconf failed, using the last known Postfix settings or defaults", metadata: ["reason": "\(error)"])
    }
}

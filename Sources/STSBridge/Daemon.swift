import CurlHTTPS
import Discovery
import Foundation
import Logging
import LookupServer
import NIOPosix
import PolicyService
import PostfixTable
import SQLiteArchive
import ServiceLifecycle
import UnboundDNS

/// The rooms, wired by one configuration. No logic here.
struct Daemon {
    let configuration: Configuration
    let logger: Logger
    let discovery: PolicyDiscovery
    let resolver: UnboundResolver
    let fetcher: CurlFetcher
    let postfix: PostfixAtHand
    /// `nil`: DANE is not looked for.
    let validator: UnboundValidator?

    /// - Throws: `CommandFailure` when something the configuration names cannot be had.
    init(_ configuration: Configuration) throws(CommandFailure) {
        self.configuration = configuration
        let level = configuration.logLevel
        let format = configuration.logFormat
        logger = Logger(label: "sts-bridge") { _ in LineLogHandler(level: level, format: format) }
        postfix = PostfixAtHand(configuration)
        do {
            let servers = configuration.nameServers.isEmpty ? try NameServer.system() : configuration.nameServers
            let dns = UnboundConfiguration(servers: servers, timeout: configuration.dnsTimeout)
            resolver = try UnboundResolver(dns)
            validator = try Self.validator(dns, configuration, isWanted: postfix.wantsDANE, logger)
            fetcher = try CurlFetcher(
                CurlFetcherConfiguration(
                    timeout: configuration.fetchTimeout, trust: configuration.trust,
                    maximumInFlight: configuration.maximumFetches, userAgent: Version.userAgent))
        } catch {
            throw CommandFailure(.usage, "\(error)")
        }
        discovery = PolicyDiscovery(
            resolver: resolver, fetcher: fetcher, dialingRule: DialingRule(allowing: configuration.allowedNetworks))
    }

    /// DNSSEC `auto` goes without DANE where it cannot be set up; `on` does not start.
    private static func validator(
        _ dns: UnboundConfiguration, _ configuration: Configuration, isWanted: Bool, _ logger: Logger
    ) throws(UnboundSetupFailure) -> UnboundValidator? {
        guard isWanted else { return nil }
        do throws(UnboundSetupFailure) {
            return try UnboundValidator(dns, trustAnchorFile: configuration.trustAnchorFile)
        } catch {
            guard configuration.dnssec == .auto, configuration.postfix.dane != .on else { throw error }
            logger.error("DNSSEC cannot be validated, DANE is off", metadata: ["reason": "\(error)"])
            return nil
        }
    }

    var dane: DANEDiscovery? { validator.map { DANEDiscovery(resolver: $0) } }

    /// Says what in the configuration and Postfix does not go together.
    private func tellConflicts() {
        if let failure = postfix.failure {
            logger.warning("Postfix cannot be asked, its settings are guessed", metadata: ["reason": "\(failure)"])
        }
        for conflict in postfix.conflicts where conflict.consequence == .warning {
            logger.warning("configuration does not fit", metadata: ["key": "\(conflict.key)", "reason": "\(conflict)"])
        }
    }

    /// Serves until SIGTERM or SIGINT. Returns when all pending lookups are answered.
    func serve() async throws {
        // Most of the fetcher is left to lookups.
        var ledger = configuration.ledger
        ledger.refresh.maximumInFlight = max(1, min(ledger.refresh.maximumInFlight, configuration.maximumFetches / 4))
        try postfix.check()
        let policies = PolicyService(
            discovery: discovery, dane: dane, archive: try configuration.openArchive(), ledger: ledger,
            decisions: postfix.decisions, logger: logger,
            now: { .current })
        policies.useDANE(true)
        var lookup = configuration.lookup
        lookup.dialect = postfix.dialect
        lookup.maximumConnections = DescriptorLimit.connections(
            wanted: lookup.maximumConnections, fetches: configuration.maximumFetches)
        if lookup.maximumConnections < configuration.lookup.maximumConnections {
            logger.warning(
                "fewer connections than configured: raise the limit of open files (LimitNOFILE, ulimit -n)",
                metadata: [
                    "configured": "\(configuration.lookup.maximumConnections)",
                    "possible": "\(lookup.maximumConnections)",
                ])
        }
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = LookupServer(
            socketmap: configuration.socketmap, tcpTable: configuration.tcpTable, service: policies,
            settings: lookup, group: eventLoops, logger: logger)
        // What it says of its services' starts and stops we say better.
        var lifecycleLogger = logger
        lifecycleLogger.logLevel = max(logger.logLevel, .error)
        // Stopped in reverse order: first no more lookups, then no more discoveries.
        var services: [any Service] = [policies, server]
        if let validator, configuration.dnssec == .auto {
            services.append(DNSSECWatch(validator: validator, policies: policies, logger: logger))
        }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map { .init(service: $0) },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: lifecycleLogger))
        logger.info(
            "starting",
            metadata: [
                "version": "\(Version.current)", "dialect": "\(postfix.dialect.rawValue)",
                "dane": "\(validator == nil ? "off" : "on")",
            ])
        tellConflicts()
        do {
            try await group.run()
        } catch let failure as ListenFailure {
            throw CommandFailure(.usage, "\(failure)")
        }
        await close()
        try await eventLoops.shutdownGracefully()
        logger.info("stopped")
    }

    /// Ends the resolver's and the fetcher's threads.
    func close() async {
        resolver.close()
        validator?.close()
        await fetcher.close()
    }
}

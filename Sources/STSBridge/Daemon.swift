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

    /// - Throws: `CommandFailure` when something the configuration names cannot be had.
    init(_ configuration: Configuration) throws(CommandFailure) {
        self.configuration = configuration
        let level = configuration.logLevel
        let format = configuration.logFormat
        logger = Logger(label: "sts-bridge") { _ in LineLogHandler(level: level, format: format) }
        do {
            let servers = configuration.nameServers.isEmpty ? try NameServer.system() : configuration.nameServers
            resolver = try UnboundResolver(UnboundConfiguration(servers: servers, timeout: configuration.dnsTimeout))
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

    /// Serves until SIGTERM or SIGINT. Returns when all pending lookups are answered.
    func serve() async throws {
        // Most of the fetcher is left to lookups.
        var ledger = configuration.ledger
        ledger.refresh.maximumInFlight = max(1, min(ledger.refresh.maximumInFlight, configuration.maximumFetches / 4))
        let policies = PolicyService(
            discovery: discovery, archive: try configuration.openArchive(), ledger: ledger,
            decisions: configuration.decisions, logger: logger,
            now: { .current })
        var lookup = configuration.lookup
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
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: policies), .init(service: server)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: lifecycleLogger))
        logger.info("starting", metadata: ["version": "\(Version.current)"])
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
        await fetcher.close()
    }
}

import Admin
import Logging
import LookupServer
import NIOPosix
import PolicyService
import PostfixTable
import ServiceLifecycle

/// The rooms, wired by one configuration. No logic here.
struct Daemon {
    private let setup: Setup
    private let logger: Logger

    /// - Throws: `CommandFailure` when something the configuration names cannot be had, or does not go together.
    init(_ configuration: Configuration) throws(CommandFailure) {
        logger = configuration.logger
        setup = try Setup(configuration, logger: logger)
        try setup.postfix.check()
    }

    /// Serves until SIGTERM or SIGINT. Returns when all pending lookups are answered.
    func serve() async throws {
        let policies = PolicyService(
            discovery: setup.upstream.discovery, dane: setup.upstream.dane,
            archive: try setup.configuration.openArchive(), ledger: setup.ledger, decisions: setup.postfix.decisions,
            logger: logger, now: { .current })
        policies.useDANE(true)
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = LookupServer(
            socketmap: setup.configuration.socketmap, tcpTable: setup.configuration.tcpTable, service: policies,
            settings: setup.lookup, group: eventLoops, logger: logger)
        // Stopped in reverse order: first no more lookups, then no more discoveries.
        var services: [any Service] = [policies, server]
        if let validator = setup.upstream.validator, setup.configuration.dnssec == .auto {
            services.append(DNSSECWatch(validator: validator, policies: policies, logger: logger))
        }
        if let admin = admin(policies) { services.append(admin) }
        tellStart()
        try await run(services)
        await setup.upstream.close()
        try await eventLoops.shutdownGracefully()
        logger.info("stopped")
    }

    /// What the operator asks and orders.
    private func admin(_ policies: PolicyService) -> AdminService? {
        guard let path = setup.configuration.adminSocket else { return nil }
        let socket = AdminSocket(path: path, group: setup.configuration.lookup.socketGroup)
        let seams = AdminSeams(
            setup: { [setup] in setup },
            reload: { () throws(ReloadRefusal) in throw ReloadRefusal("this sts-bridge cannot reload; restart it") })
        return AdminService(policies, socket: socket, seams: seams, logger: logger)
    }

    private func tellStart() {
        logger.info(
            "starting",
            metadata: [
                "version": "\(Version.current)", "dialect": "\(setup.postfix.dialect.rawValue)",
                "dane": "\(setup.upstream.validator == nil ? "off" : "on")",
            ])
        setup.tellConflicts(logger)
    }

    private func run(_ services: [any Service]) async throws {
        // What it says of its services' starts and stops we say better.
        var lifecycleLogger = logger
        lifecycleLogger.logLevel = max(logger.logLevel, .error)
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map { .init(service: $0) },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: lifecycleLogger))
        do {
            try await group.run()
        } catch let failure as ListenFailure {
            throw CommandFailure(.usage, "\(failure)")
        }
    }
}

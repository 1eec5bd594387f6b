import Admin
import Logging
import LookupServer
import Metrics
import Monitoring
import NIOPosix
import PolicyService
import SQLiteArchive
import ServiceLifecycle
import ServiceManager

/// The rooms, wired by one configuration. No logic here.
struct Daemon: Sendable {
    private let source: ConfigurationSource
    private let setup: Setup
    private let log: LogControl
    private let logger: Logger
    /// What the rooms count into by swift-metrics, which takes one backend a process.
    private let metrics = PrometheusRegistry(MetricTable.all)
    private let readiness = Readiness()
    private let manager: ManagerTerms
    private let voice: ManagerVoice
    private let archive: any PolicyArchive
    /// At the start.
    private let tenure: Tenure
    private let takeoverWait: Duration
    /// What machines watch is bound, or is not to be: lookups are not served before, so that no start fails after them.
    private let watchable = Milestone()
    private let listening = Milestone()
    private let inCharge = Milestone()

    /// To be made once a process.
    ///
    /// - Parameters:
    ///   - manager: what the service manager has told this process.
    ///   - takeoverWait: for another daemon to let go of the cache file.
    /// - Throws: `CommandFailure` when something the configuration names cannot be had, or does not go together.
    init(_ source: ConfigurationSource, manager: ManagerTerms, takeoverWait: Duration) throws(CommandFailure) {
        let configuration = try source.read()
        self.source = source
        log = LogControl(configuration, metrics: metrics)
        logger = log.logger
        MetricsSystem.bootstrap(metrics)
        ProcessMetrics.tell(metrics)
        do throws(CommandFailure) {
            setup = try Setup(configuration, logger: logger)
            archive = try configuration.openArchive()
        } catch {
            // What was logged comes before the reason of the end.
            log.close()
            throw error
        }
        tenure = Self.tenure(archive)
        self.manager = manager
        self.takeoverWait = takeoverWait
        voice = ManagerVoice(manager, logger: logger)
    }

    /// What tells who is in charge; `nil`: nothing is kept.
    private var file: SQLiteArchive? { archive as? SQLiteArchive }

    private static func tenure(_ archive: any PolicyArchive) -> Tenure {
        guard let file = archive as? SQLiteArchive else { return .alone }
        return file.predecessor == nil ? .inCharge : .heir
    }

    /// Serves until SIGTERM or SIGINT. Returns when all pending lookups are answered.
    func serve() async throws {
        let policies = PolicyService(
            discovery: setup.upstream.discovery, dane: setup.upstream.dane,
            archive: archive, ledger: setup.ledger, decisions: setup.postfix.decisions,
            logger: logger, now: { .current }, bootTime: { .sinceBoot },
            onLoaded: { [readiness] in readiness.fulfil(.archive) })
        policies.useDANE(true)
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = LookupServer(
            socketmap: setup.configuration.socketmap, tcpTable: setup.configuration.tcpTable, service: policies,
            settings: setup.lookup, tenure: tenure, passed: manager.sockets, group: eventLoops, logger: logger,
            onListening: { [self] _ in
                // Only now, so that a start that fails says why in its first line.
                logger.info("starting", metadata: setup.facts.merging(["version": "\(Version.current)"]) { $1 })
                if tenure != .heir { tellOfMonitoring() }
                setup.tellConflicts(logger)
                tellOfManager()
                listening.reach()
                if tenure == .alone { inCharge.reach() }
                readiness.fulfil(.listeners)
            })
        let watch = DNSSECWatch(
            setup.watched, policies: policies, metrics: DNSSECMetrics(metrics), logger: logger)
        let socket = setup.configuration.adminSocket.map {
            AdminSocket(path: $0, group: setup.configuration.adminSocketGroup)
        }
        let reloader = reloader(policies, server, watch, socket)
        // Stopped in reverse order: first nothing changes any more, then no more lookups, then no more discoveries, and at
        // last nobody tells of it.
        var services = monitoring(of: policies, on: eventLoops)
        services += [
            // Not before it is clear that there is something to do, so that a start that fails says nothing else.
            AfterMilestone(milestone: listening, service: policies),
            AfterMilestone(milestone: watchable, service: server), watch,
            NameServerWatch(
                upstream: {
                    let setup = reloader.setup
                    return setup.configuration.nameServers.isEmpty ? setup.upstream : nil
                }, logger: logger),
            AfterMilestone(
                milestone: listening,
                service: PostfixWatch(
                    follow: { await reloader.followPostfix() },
                    files: { PostfixWatch.files(after: reloader.setup.postfix.answer) },
                    loggedFailure: setup.postfix.answer.failure, logger: logger)),
            await ReloadOnHangup(reloader: reloader, untilListening: listening.arrival),
        ]
        if let socket {
            services.append(
                AfterMilestone(milestone: inCharge, service: admin(socket, policies, server, reloader)))
        }
        services += [readiness, report(policies, reloader, eventLoops), succession(server)].compactMap(\.self)
        try await run(services)
        await reloader.setup.upstream.close()
        try await eventLoops.shutdownGracefully()
        logger.info("stopped")
    }

    /// Writes what is queued of the log. Nothing is logged any more. Blocks for two seconds at most.
    func closeLog() {
        log.close()
    }

    /// Nothing where nobody is to look.
    private func monitoring(of policies: PolicyService, on group: MultiThreadedEventLoopGroup) -> [any Service] {
        let isHeir = tenure == .heir
        if isHeir || setup.configuration.httpListen.isEmpty { watchable.reach() }
        guard !setup.configuration.httpListen.isEmpty else { return [] }
        let cache = CacheMetrics(metrics)
        let server = MonitoringServer(
            setup.configuration.httpListen, registry: metrics, readiness: readiness, group: group, logger: logger,
            gather: { await cache.gather(from: policies) },
            onListening: { [self] _ in
                if isHeir { tellOfMonitoring() } else { watchable.reach() }
            })
        guard isHeir else { return [server] }
        return [AfterMilestone(milestone: inCharge, service: InheritedMonitoring(server: server, logger: logger))]
    }

    private func tellOfMonitoring() {
        for address in setup.configuration.httpListen {
            logger.info("listening", metadata: ["address": "\(address)", "protocol": "http"])
        }
    }

    private func succession(_ server: LookupServer) -> (any Service)? {
        guard let file else { return nil }
        return Succession(archive: file, limit: takeoverWait, logger: logger, listening: listening) { [inCharge] in
            await server.takeCharge()
            inCharge.reach()
        }
    }

    private func report(
        _ policies: PolicyService, _ reloader: Reloader, _ eventLoops: MultiThreadedEventLoopGroup
    ) -> any Service {
        ManagerReport(voice: voice, listening: listening) { [file] in
            // Whoever hangs is not answered for: see ManagerReport.
            _ = try? await eventLoops.next().submit {}.get()
            return StatusLine(
                census: await policies.census(), predecessor: file?.predecessor.map { "\($0)" },
                lacksDNSSEC: reloader.setup.upstream.validator != nil && !policies.isUsingDANE
            ).text
        }
    }

    /// Says what of the service manager's words is not used.
    private func tellOfManager() {
        for trouble in manager.troubles {
            logger.warning("what the service manager says cannot be used", metadata: ["reason": "\(trouble)"])
        }
        let used = setup.configuration.socketmap + setup.configuration.tcpTable
        for name in manager.sockets.names where !used.contains(.systemd(name: name)) {
            logger.warning("passed socket is used by no address under listen", metadata: ["name": "\(name)"])
        }
    }

    private func reloader(
        _ policies: PolicyService, _ server: LookupServer, _ watch: DNSSECWatch, _ socket: AdminSocket?
    ) -> Reloader {
        let follow: @Sendable (Setup) -> Void = { new in
            policies.use(new.service)
            // What was found out about the servers stays valid for the same validator.
            if watch.use(new.watched) { policies.useDANE(true) }
        }
        return Reloader(
            setup, logger: logger, read: source.read, onBegin: voice.reloading, onEnd: voice.reloaded
        ) { [log, logger] new throws(ListenFailure) in
            // The only step that may fail comes first.
            try await server.change(
                socketmap: new.configuration.socketmap, tcpTable: new.configuration.tcpTable, settings: new.lookup)
            follow(new)
            socket?.update(group: new.configuration.adminSocketGroup, logger: logger)
            log.use(new.configuration)
        } follow: { new in
            server.update(settings: new.lookup)
            follow(new)
        }
    }

    /// What the operator asks and orders.
    private func admin(
        _ socket: AdminSocket, _ policies: PolicyService, _ server: LookupServer, _ reloader: Reloader
    ) -> AdminService {
        let seams = AdminSeams(
            setup: { reloader.setup }, services: { reloader.setup.services },
            isAskedForFewerWords: { server.isAskedForFewerWords }, passedSockets: { server.passedSockets }
        ) { () throws(ReloadRefusal) in
            switch await reloader.reload() {
            case .reloaded(let changes, let facts, let needsRestart):
                return Reloaded(changed: changes.map(\.key), facts: facts, needsRestart: needsRestart)
            case .refused(let reason):
                throw ReloadRefusal(reason)
            }
        }
        return AdminService(policies, socket: socket, seams: seams, logger: logger)
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
        } catch let failure as CommandFailure {
            throw failure
        } catch let failure as ListenFailure {
            // An address that is taken or not there yet may be free at the next start.
            throw CommandFailure(failure.isOfUnit ? .usage : .unknown, "\(failure)")
        } catch let failure as MonitoringFailure {
            throw CommandFailure(.unknown, "\(failure)")
        }
    }
}

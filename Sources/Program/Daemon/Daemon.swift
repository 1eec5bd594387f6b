import AdminAPI
import AdminServer
import BridgeConfiguration
import LocalSystem
import Logging
import Metrics
import Monitoring
import NIOPosix
import PolicyRuntime
import ServiceLifecycle
import SQLiteStore
import Systemd
import TableServer

/// The daemon: creates all modules from one configuration and runs them.
///
/// Concurrency: one per process, because swift-metrics takes one backend per process.
/// Errors: `DaemonError` for a start that fails.
/// Not here: decisions. This type only connects the modules.
package struct Daemon: Sendable {
    private let source: ConfigurationSource
    private let runtime: RuntimeConfiguration
    private let log: LogControl
    private let logger: Logger
    /// The backend of swift-metrics.
    private let metrics = PrometheusRegistry(MetricTable.all)
    private let readiness = Readiness()
    private let systemd: ServiceManagerEnvironment
    private let notifier: SystemdNotifier
    private let store: any PolicyStore
    /// Opened when the monitoring server listens, or does not have to. Lookups start after it, so that a start cannot fail
    /// once Postfix gets replies.
    private let monitoringReady = AsyncLatch()
    /// Opened when another daemon has the monitoring addresses.
    private let monitoringPostponed = AsyncLatch()
    /// Opened when the tables listen.
    private let listening = AsyncLatch()
    /// Opened when the cached policies are loaded.
    private let loaded = AsyncLatch()

    /// - Parameter systemd: the environment that systemd passed to this process.
    /// - Throws: `DaemonError` if the configuration is invalid, or if a file or resource that it names is unusable.
    package init(_ source: ConfigurationSource, systemd: ServiceManagerEnvironment) throws(DaemonError) {
        let postconf = BackgroundResult { PostconfResult.run() }
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try source.read()
        } catch {
            throw DaemonError(error)
        }
        self.source = source
        log = LogControl(configuration, metrics: metrics)
        logger = log.logger
        MetricsSystem.bootstrap(metrics)
        ProcessMetrics.publish(to: metrics)
        do throws(DaemonError) {
            // The file is opened while postconf runs.
            let store = BackgroundResult { [configuration] in
                Result { () throws(DaemonError) in try configuration.openStore() }
            }
            let result = Result { [logger] () throws(DaemonError) in
                try RuntimeConfiguration(configuration, postconf: postconf.value, logger: logger)
            }
            // Before the other errors, so that no thread works on the file when the process ends.
            let opened = store.value
            runtime = try result.get()
            self.store = try opened.get()
        } catch {
            // The log lines come before the error.
            log.close()
            throw error
        }
        self.systemd = systemd
        notifier = SystemdNotifier(systemd, logger: logger)
    }

    /// Serves until SIGTERM or SIGINT. Returns when all pending lookups are answered.
    package func serve() async throws {
        let policies = PolicyService(
            discovery: runtime.upstream.discovery, dane: runtime.upstream.dane,
            store: store, cache: runtime.cache, decisions: runtime.postfix.decisions,
            logger: logger, now: { .current }, bootTime: { .sinceBoot }, onLoaded: didLoad)
        policies.useDANE(true)
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = LookupServer(
            socketmap: runtime.configuration.socketmap, tcpTable: runtime.configuration.tcpTable, service: policies,
            settings: runtime.lookup, passed: systemd.sockets, logger: logger,
            onListening: { [self] _ in
                // Not earlier, so that the first line of a failed start is its error.
                logger.info("starting", metadata: runtime.logMetadata.merging(["version": "\(Version.current)"]) { $1 })
                if !monitoringPostponed.isOpen { logHTTPListeners() }
                runtime.logConflicts(logger)
                logSystemdProblems()
                listening.open()
                readiness.fulfil(.listeners)
            })
        let watch = DNSSECWatch(
            runtime.dnssecSubject, policies: policies, metrics: DNSSECMetrics(metrics), logger: logger)
        let socket = runtime.configuration.adminSocket.map {
            AdminSocket(path: $0, group: runtime.configuration.adminSocketGroup)
        }
        let reloader = reloader(policies: policies, server: server, dnssecWatch: watch, adminSocket: socket)
        // They stop in reverse order: first the changes, then the lookups, then the discoveries, and monitoring last.
        var services = monitoring(of: policies, on: eventLoops)
        services += [
            // After `listening`, so that a failed start logs nothing else.
            LatchedService(latch: listening, service: policies),
            LatchedService(latch: monitoringReady, service: server), watch,
            NameServerWatch(
                upstream: {
                    let current = reloader.current
                    return current.configuration.nameServers.isEmpty ? current.upstream : nil
                }, logger: logger),
            LatchedService(
                latch: listening,
                service: PostfixWatch(
                    update: { await reloader.updatePostfix() },
                    files: { PostfixWatch.files(after: reloader.current.postfix.postconf) },
                    loggedError: runtime.postfix.postconf.error, logger: logger)),
            await ReloadOnHangup(reloader, untilListening: listening.opening),
        ]
        if let socket {
            services.append(
                LatchedService(
                    latch: listening,
                    service: adminService(on: socket, policies: policies, server: server, reloader: reloader)))
        }
        services += [
            CodePageRelease(loaded: loaded), readiness,
            statusReporter(policies: policies, reloader: reloader, eventLoops: eventLoops),
        ]
        try await run(services)
        await reloader.current.upstream.close()
        try await eventLoops.shutdownGracefully()
        logger.info("stopped")
    }

    /// Writes the queued log lines and ends the log. Blocks for two seconds at most.
    package func closeLog() {
        log.close()
    }

    /// The cached policies are loaded.
    private func didLoad() {
        readiness.fulfil(.store)
        loaded.open()
    }

    /// Returns no service if `http.listen` is empty.
    private func monitoring(of policies: PolicyService, on group: MultiThreadedEventLoopGroup) -> [any Service] {
        guard !runtime.configuration.httpListen.isEmpty else {
            monitoringReady.open()
            return []
        }
        let cache = CacheMetrics(metrics)
        let server = MonitoringServer(
            runtime.configuration.httpListen, registry: metrics, readiness: readiness, group: group, logger: logger,
            gather: { await cache.gather(from: policies) },
            onListening: { [self] _ in
                if monitoringPostponed.isOpen { logHTTPListeners() } else { monitoringReady.open() }
            })
        return [
            SharedMonitoring(
                server, logger: logger,
                isShared: { [store] in (store as? SQLitePolicyStore)?.otherProcessIDs.isEmpty == false },
                waitUntilServing: { [listening] in await listening.wait() },
                onPostponed: { [monitoringReady, monitoringPostponed] in
                    monitoringPostponed.open()
                    monitoringReady.open()
                })
        ]
    }

    private func logHTTPListeners() {
        for address in runtime.configuration.httpListen {
            logger.info("listening", metadata: ["address": "\(address)", "protocol": "http"])
        }
    }

    private func statusReporter(
        policies: PolicyService, reloader: Reloader, eventLoops: MultiThreadedEventLoopGroup
    ) -> any Service {
        StatusReporter(notifier, listening: listening) {
            // If the event loop hangs, this waits, and the watchdog message is missing.
            _ = try? await eventLoops.next().submit {}.get()
            return StatusLine(
                statistics: await policies.statistics(), otherProcesses: policies.otherProcesses,
                lacksDNSSEC: reloader.current.upstream.validator != nil && !policies.isUsingDANE
            ).text
        }
    }

    /// Logs the parts of systemd's environment that are invalid or unused.
    private func logSystemdProblems() {
        for error in systemd.errors {
            logger.warning("invalid systemd environment", metadata: ["reason": "\(error)"])
        }
        let used = runtime.configuration.socketmap + runtime.configuration.tcpTable
        for name in systemd.sockets.names where !used.contains(.systemd(name: name)) {
            logger.warning("no listen key uses this socket from systemd", metadata: ["name": "\(name)"])
        }
    }

    private func reloader(
        policies: PolicyService, server: LookupServer, dnssecWatch: DNSSECWatch, adminSocket: AdminSocket?
    ) -> Reloader {
        let update: @Sendable (RuntimeConfiguration) -> Void = { new in
            policies.update(settings: new.service)
            // With the same validator, the results of the probes stay valid.
            if dnssecWatch.update(subject: new.dnssecSubject) { policies.useDANE(true) }
        }
        let actions = Reloader.Actions(
            read: source.read, willReload: notifier.reloading, didReload: notifier.reloaded
        ) { [log, logger] new throws(ListenError) in
            // The only step that can fail comes first.
            try await server.change(
                socketmap: new.configuration.socketmap, tcpTable: new.configuration.tcpTable, settings: new.lookup)
            update(new)
            adminSocket?.update(group: new.configuration.adminSocketGroup, logger: logger)
            log.update(new.configuration)
        } applyPostfixSettings: { new in
            server.update(settings: new.lookup)
            update(new)
        }
        return Reloader(runtime, logger: logger, actions: actions)
    }

    private func adminService(
        on socket: AdminSocket, policies: PolicyService, server: LookupServer, reloader: Reloader
    ) -> AdminService {
        let dependencies = AdminDependencies(
            runtime: { reloader.current }, services: { reloader.current.services },
            usesOldDialect: { server.usesOldDialect }, passedSockets: { server.passedSockets },
            otherProcesses: { policies.otherProcesses }
        ) { () throws(ReloadError) in
            switch await reloader.reload() {
            case .reloaded(let changes, let settings, let needsRestart):
                return ReloadResponse(
                    changed: changes.map(\.key), changedSettings: settings, needsRestart: needsRestart)
            case .rejected(let reason):
                throw ReloadError(reason)
            }
        }
        return AdminService(policies, socket: socket, dependencies: dependencies, logger: logger)
    }

    private func run(_ services: [any Service]) async throws {
        // The daemon logs starts and stops itself.
        var lifecycleLogger = logger
        lifecycleLogger.logLevel = max(logger.logLevel, .error)
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                // Without a name, the group describes each service with all its properties, which takes milliseconds.
                services: services.map { .init(service: $0, serviceName: "\(type(of: $0))") },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: lifecycleLogger))
        do {
            try await group.run()
        } catch let error as DaemonError {
            throw error
        } catch let error as ListenError {
            // An address that is in use or missing may be available at the next start.
            throw DaemonError(error.isOfUnit ? .configuration : .temporary, reason: "\(error)")
        } catch let error as MonitoringError {
            throw DaemonError(.temporary, reason: "\(error)")
        }
    }
}

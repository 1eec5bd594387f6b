import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import PolicyRuntime
import ServiceLifecycle
import Synchronization

/// The operator's API on a unix socket of its own.
///
/// Protocol: HTTP/1.1 and JSON; `/openapi.json` describes the routes.
/// Concurrency: connections on the event loops of `group`, requests in tasks.
/// Limits: `Limits`; lists leave page by page.
/// Errors: one line in the log. Mail does not need the API, so a socket that cannot be opened stops nothing. The service
/// tries again every five seconds and at each reload, also if the socket's file was removed.
/// Security: permissions of the socket (`AdminSocket`); every change is logged with the user from the kernel.
/// Not here: the cache and decisions (PolicyCaching), the protocols of Postfix (PostfixTable, TableServer).
package struct AdminService: Service {
    private let policies: PolicyService
    private let socket: AdminSocket
    private let dependencies: AdminDependencies
    private let limits: Limits
    private let group: any EventLoopGroup
    private let logger: Logger
    private let sleep: @Sendable (Duration) async throws -> Void
    private let onListening: @Sendable () -> Void

    private static let fileInterval = Duration.seconds(5)

    package struct Limits: Sendable {
        /// Connections at the same time. Further ones wait.
        package var connections = 64
        /// How long a request's body may take to arrive.
        package var bodyTimeout = Duration.seconds(10)
        /// How long a connection may be quiet.
        package var idleTimeout = Duration.seconds(30)
        /// How long requests may go on after the daemon received SIGTERM.
        package var shutdownTimeout = Duration.seconds(5)

        package init() {}
    }

    /// - Parameters:
    ///   - sleep: waits between two checks of the socket's file, and between two attempts to open it.
    ///   - onListening: called whenever the socket is open at its path.
    package init(
        _ policies: PolicyService, socket: AdminSocket, dependencies: AdminDependencies, limits: Limits = Limits(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        onListening: @escaping @Sendable () -> Void = {}
    ) {
        self.policies = policies
        self.socket = socket
        self.dependencies = dependencies
        self.limits = limits
        self.group = group
        self.logger = logger
        self.sleep = sleep
        self.onListening = onListening
    }

    package func run() async throws {
        var (isFailureLogged, hasLostFile) = (false, false)
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let updates = socket.updates()
            do {
                if try await serve(afterLostFile: hasLostFile) == .stopped { return }
                (isFailureLogged, hasLostFile) = (false, true)
            } catch {
                // Cancelled: another service failed, and logs the reason.
                guard !Task.isCancelled else { return }
                if !isFailureLogged {
                    logger.error(
                        "cannot open admin socket, admin commands disabled",
                        metadata: ["reason": "\(error)"])
                }
                isFailureLogged = true
                // A service that returned would end the daemon.
                try? await cancelWhenGracefulShutdown { try await pause(until: updates) }
            }
        }
    }

    private enum ServeResult: Sendable {
        /// The daemon stops.
        case stopped
        /// The socket's file was removed or replaced.
        case lostFile
    }

    private func serve(afterLostFile hasLostFile: Bool) async throws -> ServeResult {
        let pending = try socket.prepare()
        let published = Mutex<Result<Void, AdminSocketError>?>(nil)
        let application = Application(
            router: router(), server: .http1(configuration: .init(idleTimeout: TimeAmount(limits.idleTimeout))),
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: pending.path), backlog: limits.connections,
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections, logger: quiet)),
            onServerRunning: { channel in
                let publication = Result { () throws(AdminSocketError) in try socket.publish(pending, logger: logger) }
                published.withLock { $0 = publication }
                guard case .success = publication else { return channel.close(promise: nil) }
                if hasLostFile {
                    logger.warning(
                        "admin socket file was removed or replaced, opened a new one",
                        metadata: ["path": "\(socket.path)"])
                }
                logger.info("listening", metadata: ["address": "unix:\(socket.path)", "protocol": "admin"])
                onListening()
            }, eventLoopGroupProvider: .shared(group), logger: quiet)
        let result: Result<ServeResult, any Error>
        do {
            result = .success(try await runUntilEnd(application))
        } catch {
            result = .failure(error)
        }
        switch published.withLock({ $0 }) {
        case .success:
            socket.remove()
        case .failure(let error):
            socket.discard(pending)
            throw error
        case nil:
            socket.discard(pending)
        }
        return try result.get()
    }

    /// A peer that does not read its answer must not keep the daemon from stopping.
    private func runUntilEnd(_ application: some ApplicationProtocol) async throws -> ServeResult {
        try await withThrowingTaskGroup(of: ServeResult.self) { tasks in
            tasks.addTask {
                try await application.run()
                return .stopped
            }
            tasks.addTask {
                try await gracefulShutdown()
                try await Task.sleep(for: limits.shutdownTimeout)
                return .stopped
            }
            tasks.addTask {
                while true {
                    let updates = socket.updates()
                    if socket.hasLostFile { return .lostFile }
                    try await pause(until: updates)
                }
            }
            defer { tasks.cancelAll() }
            return try await tasks.next() ?? .stopped
        }
    }

    /// Waits until the next check of the socket's file: after the interval, or at a reload.
    private func pause(until updates: AsyncStream<Void>) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await sleep(Self.fileInterval) }
            tasks.addTask { for await _ in updates { return } }
            defer { tasks.cancelAll() }
            try await tasks.next()
        }
    }

    private func router() -> Router<AdminRequestContext> {
        let router = Router(context: AdminRequestContext.self)
        router.add(middleware: AuditMiddleware(logger: logger))
        router.add(middleware: ProblemMiddleware(logger: logger))
        let operations = AdminOperations(
            policies: policies, dependencies: dependencies, startedAt: dependencies.now(), process: Int(getpid()))
        for route in Routes(operations, bodyTimeout: limits.bodyTimeout).all {
            router.on(RouterPath(route.path), method: route.method, use: route.handler)
        }
        return router
    }

    /// For Hummingbird, whose messages about connections are of no use to an operator.
    private var quiet: Logger {
        var logger = logger
        logger.logLevel = .critical
        return logger
    }
}

import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import PolicyService
import ServiceLifecycle
import Synchronization

/// The operator's API: HTTP and JSON on a unix socket of its own.
///
/// Concurrency: connections on the event loops of `group`, requests in tasks.
/// Bounded: connections, the size of a request and the time for it; lists leave page by page.
/// Fails by: one line in the log. Mail does not need the API, so a socket that cannot be had stops nothing.
/// Stops by: ending idle connections at once and others when they are answered, or after `patience`.
/// Not here: what is remembered and decided (PolicyService), Postfix's protocols (PostfixTable, LookupServer).
package struct AdminService: Service {
    private let policies: PolicyService
    private let socket: AdminSocket
    private let seams: AdminSeams
    private let limits: Limits
    private let group: any EventLoopGroup
    private let logger: Logger
    private let onListening: @Sendable () -> Void

    package struct Limits: Sendable {
        /// At once; the next ones wait. Operators and their scripts are few.
        package var connections = 64
        /// For a request's body to come.
        package var body = Duration.seconds(10)
        /// Until a connection on which nothing comes is closed.
        package var idle = Duration.seconds(30)
        /// For what is under way when the daemon stops.
        package var patience = Duration.seconds(5)

        package init() {}
    }

    /// - Parameter onListening: called when the socket stands at its name.
    package init(
        _ policies: PolicyService, socket: AdminSocket, seams: AdminSeams, limits: Limits = Limits(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger,
        onListening: @escaping @Sendable () -> Void = {}
    ) {
        self.policies = policies
        self.socket = socket
        self.seams = seams
        self.limits = limits
        self.group = group
        self.logger = logger
        self.onListening = onListening
    }

    package func run() async throws {
        do {
            try await serve()
        } catch {
            // Cancelled: another part of the daemon could not go on, and tells why.
            guard !Task.isCancelled else { return }
            logger.error(
                "admin socket cannot be had, going on without: status, explain and orders do not work",
                metadata: ["reason": "\(error)"])
            // A service that returns would end the daemon.
            try? await gracefulShutdown()
        }
    }

    private func serve() async throws {
        let place = try socket.prepare()
        let settled = Mutex<Result<FileIdentity?, AdminSocketFailure>?>(nil)
        let application = Application(
            router: router(), server: .http1(configuration: .init(idleTimeout: TimeAmount(limits.idle))),
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: place.path), backlog: limits.connections,
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections, logger: quiet)),
            onServerRunning: { channel in
                let result = Result { () throws(AdminSocketFailure) in try socket.settle(place, logger: logger) }
                settled.withLock { $0 = result }
                guard case .success = result else { return channel.close(promise: nil) }
                logger.info("listening", metadata: ["address": "unix:\(socket.path)", "protocol": "admin"])
                onListening()
            }, eventLoopGroupProvider: .shared(group), logger: quiet)
        do {
            try await runToTheEnd(application)
        } catch {
            guard case .success(let file) = settled.withLock({ $0 }) else {
                socket.abandon(place)
                throw settled.withLock { $0 }?.failure ?? error
            }
            socket.remove(file)
            throw error
        }
        if case .success(let file) = settled.withLock({ $0 }) { socket.remove(file) }
    }

    /// Who does not take his answer must not keep the daemon from stopping.
    private func runToTheEnd(_ application: some ApplicationProtocol) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { tasks in
            tasks.addTask {
                try await application.run()
                return true
            }
            tasks.addTask {
                try await gracefulShutdown()
                try await Task.sleep(for: limits.patience)
                return false
            }
            defer { tasks.cancelAll() }
            _ = try await tasks.next()
        }
    }

    private func router() -> Router<AdminContext> {
        let router = Router(context: AdminContext.self)
        router.add(middleware: AuditMiddleware(logger: logger))
        router.add(middleware: ProblemMiddleware(logger: logger))
        let api = AdminAPI(policies: policies, seams: seams, startedAt: seams.now(), process: Int(getpid()))
        for route in Routes(api, bodyLimit: limits.body).all {
            router.on(RouterPath(route.path), method: route.method, use: route.answer)
        }
        return router
    }

    /// What the library says of its connections is of no use to an operator.
    private var quiet: Logger {
        var logger = logger
        logger.logLevel = .critical
        return logger
    }
}

extension Result {
    fileprivate var failure: Failure? {
        guard case .failure(let failure) = self else { return nil }
        return failure
    }
}

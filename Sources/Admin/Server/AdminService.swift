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
/// Fails by: one line in the log. Mail does not need the API, so a socket that cannot be had stops nothing; it is tried again
/// every five seconds and at each reload, and so is a socket whose file was removed.
/// Stops by: ending idle connections at once and others when they are answered, or after `patience`.
/// Not here: what is remembered and decided (PolicyService), Postfix's protocols (PostfixTable, LookupServer).
package struct AdminService: Service {
    private let policies: PolicyService
    private let socket: AdminSocket
    private let seams: AdminSeams
    private let limits: Limits
    private let group: any EventLoopGroup
    private let logger: Logger
    private let sleep: @Sendable (Duration) async throws -> Void
    private let onListening: @Sendable () -> Void

    private static let fileInterval = Duration.seconds(5)

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

    /// - Parameters:
    ///   - sleep: between two looks at the socket's file, and between two tries to make it.
    ///   - onListening: called whenever the socket stands at its name.
    package init(
        _ policies: PolicyService, socket: AdminSocket, seams: AdminSeams, limits: Limits = Limits(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        onListening: @escaping @Sendable () -> Void = {}
    ) {
        self.policies = policies
        self.socket = socket
        self.seams = seams
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
                if try await serve(inPlaceOfLostFile: hasLostFile) == .stopped { return }
                (isFailureLogged, hasLostFile) = (false, true)
            } catch {
                // Cancelled: another part of the daemon could not go on, and tells why.
                guard !Task.isCancelled else { return }
                if !isFailureLogged {
                    logger.error(
                        "admin socket cannot be had, going on without: status, explain and orders do not work",
                        metadata: ["reason": "\(error)"])
                }
                isFailureLogged = true
                // A service that returns would end the daemon.
                try? await cancelWhenGracefulShutdown { try await pause(until: updates) }
            }
        }
    }

    private enum End: Sendable {
        /// The daemon stops.
        case stopped
        /// The socket's file was removed or replaced.
        case lostFile
    }

    private func serve(inPlaceOfLostFile isLost: Bool) async throws -> End {
        let place = try socket.prepare()
        let settled = Mutex<Result<Void, AdminSocketFailure>?>(nil)
        let application = Application(
            router: router(), server: .http1(configuration: .init(idleTimeout: TimeAmount(limits.idle))),
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: place.path), backlog: limits.connections,
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections, logger: quiet)),
            onServerRunning: { channel in
                let result = Result { () throws(AdminSocketFailure) in try socket.settle(place, logger: logger) }
                settled.withLock { $0 = result }
                guard case .success = result else { return channel.close(promise: nil) }
                if isLost {
                    logger.warning(
                        "file of the admin socket was gone, listening anew", metadata: ["path": "\(socket.path)"])
                }
                logger.info("listening", metadata: ["address": "unix:\(socket.path)", "protocol": "admin"])
                onListening()
            }, eventLoopGroupProvider: .shared(group), logger: quiet)
        let outcome: Result<End, any Error>
        do {
            outcome = .success(try await runToTheEnd(application))
        } catch {
            outcome = .failure(error)
        }
        switch settled.withLock({ $0 }) {
        case .success:
            socket.remove()
        case .failure(let failure):
            socket.abandon(place)
            throw failure
        case nil:
            socket.abandon(place)
        }
        return try outcome.get()
    }

    /// Who does not take his answer must not keep the daemon from stopping.
    private func runToTheEnd(_ application: some ApplicationProtocol) async throws -> End {
        try await withThrowingTaskGroup(of: End.self) { tasks in
            tasks.addTask {
                try await application.run()
                return .stopped
            }
            tasks.addTask {
                try await gracefulShutdown()
                try await Task.sleep(for: limits.patience)
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

    /// Returns when it is time to look at the socket's file again: after the interval, or at a reload.
    private func pause(until updates: AsyncStream<Void>) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await sleep(Self.fileInterval) }
            tasks.addTask { for await _ in updates { return } }
            defer { tasks.cancelAll() }
            try await tasks.next()
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

import Glibc
import Logging
import Metrics
import NIOCore
import PolicyRuntime
import PostfixTable
import ServiceLifecycle
import Systemd
import Synchronization
import UnixSockets

/// The tables that Postfix asks: the listeners and their connections.
///
/// At its end it accepts the connections in the queues, stops listening, answers what is pending and closes the connections.
/// Postfix connects again by itself, to another process at the address if there is one.
/// Protocol: socketmap and tcp_table of Postfix (socketmap_table(5), tcp_table(5)).
/// Concurrency: one thread (`SocketLoop`) serves all connections; it is enough for any Postfix, because a lookup takes
/// microseconds. `change` may be called from any task; changes run one after another. Every five seconds it looks
/// whether the files of unix sockets are still there.
/// Errors: `ListenError` for an address at which it cannot listen: at the start it ends the server, later nothing changes.
/// Not here: DNS, HTTPS, the cache.
package final class LookupServer: Service {
    private enum Phase {
        case starting
        case serving([Listener], SocketLoop)
        case stopping

        var listeners: [Listener] {
            guard case .serving(let listeners, _) = self else { return [] }
            return listeners
        }

        var loop: SocketLoop? {
            guard case .serving(_, let loop) = self else { return nil }
            return loop
        }
    }

    private let endpoints: [TableEndpoint]
    private let service: PolicyService
    private let state: ConnectionContext
    private let registry: ConnectionRegistry
    private let phase = Mutex(Phase.starting)
    private let passed: ActivationSockets
    private let logger: Logger
    private let sleep: @Sendable (Duration) async throws -> Void
    private let onListening: @Sendable ([Int]) -> Void
    /// Binds and closes listeners after the start.
    private let changes = WorkSequence()
    /// Endpoints whose lost sockets could not be bound again, as logged.
    private let unrestored = Mutex<Set<TableEndpoint>>([])

    private static let fileInterval = Duration.seconds(5)

    /// - Parameters:
    ///   - passed: the sockets of addresses of the form `systemd:NAME`.
    ///   - sleep: waits between two looks at the files of unix sockets.
    ///   - onListening: called once, when all listeners are bound, with the TCP ports in the order of the addresses, socketmap
    ///     first.
    package init(
        socketmap: [ListenAddress], tcpTable: [ListenAddress], service: PolicyService,
        settings: LookupSettings = LookupSettings(), passed: ActivationSockets = .none,
        logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        onListening: @escaping @Sendable ([Int]) -> Void = { _ in }
    ) {
        endpoints = Self.endpoints(socketmap: socketmap, tcpTable: tcpTable)
        self.service = service
        state = ConnectionContext(settings, logger: logger, metrics: metrics)
        registry = ConnectionRegistry(limit: settings.maximumConnections, metrics: metrics)
        self.passed = passed
        self.logger = logger
        self.sleep = sleep
        self.onListening = onListening
    }

    package func run() async throws {
        let loop = try Self.makeLoop()
        defer { loop.end() }
        let listeners = try await bind(endpoints, on: loop, settings: state.settings)
        phase.withLock { $0 = .serving(listeners, loop) }
        onListening(listeners.compactMap(\.port))
        logListening(at: endpoints)
        // Until SIGTERM or SIGINT, or until another service has failed. In both cases this service ends in order.
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            try? await cancelWhenGracefulShutdown { try await self.sleep(Self.fileInterval) }
            if !Task.isShuttingDownGracefully { await checkSocketFiles() }
        }
        logger.info("stopping, answering pending lookups", metadata: ["connections": "\(registry.count)"])
        let last = stop()
        // First no client finds a path any more.
        for listener in last { listener.releasePath() }
        for listener in last { await listener.close() }
        await registry.drain()
    }

    private static func makeLoop() throws(ListenError) -> SocketLoop {
        do throws(SystemCallError) {
            return try SocketLoop()
        } catch {
            throw .noSocketLoop(error)
        }
    }

    private func stop() -> [Listener] {
        phase.withLock { phase in
            defer { phase = .stopping }
            return phase.listeners
        }
    }

    /// Whether a Postfix that understands dialect `sts` uses a map name that chooses an older one.
    package var usesOldDialect: Bool { state.usesOldDialect }

    /// The addresses of the sockets that the service manager has passed, in the order of the configuration.
    package var passedSockets: [TableEndpoint] {
        phase.withLock(\.listeners).compactMap { listener in
            guard case .systemd = listener.endpoint.address, let address = listener.address else { return nil }
            return TableEndpoint(address: address, table: listener.endpoint.table)
        }
    }

    // MARK: Change

    /// Listens at these addresses and no others, and uses these settings from now on, or throws and changes nothing.
    /// Connections stay, also those of an address that is removed. A unix socket that stays gets its mode and group again. One
    /// whose file was removed is bound again, now or as soon as that is possible.
    package func change(
        socketmap: [ListenAddress], tcpTable: [ListenAddress], settings: LookupSettings
    ) async throws(ListenError) {
        let wanted = Self.endpoints(socketmap: socketmap, tcpTable: tcpTable)
        let result = await changes.run {
            do throws(ListenError) {
                try await self.change(to: wanted, settings: settings)
                return Result<Void, ListenError>.success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private func change(to wanted: [TableEndpoint], settings: LookupSettings) async throws(ListenError) {
        let old = phase.withLock(\.listeners)
        let removed = old.filter { !wanted.contains($0.endpoint) }
        let remaining = old.filter { wanted.contains($0.endpoint) }
        let new = wanted.filter { endpoint in !remaining.contains { $0.endpoint == endpoint } }
        guard let loop = phase.withLock(\.loop) else { throw .notNow }
        let bound = try await bind(new, on: loop, settings: settings, beside: remaining)
        // The daemon may have received SIGTERM meanwhile, or it does not serve yet.
        guard setListeners(remaining + bound) else {
            for listener in bound { await listener.close() }
            throw .notNow
        }
        logListening(at: new)
        update(settings: settings)
        for listener in remaining { listener.applyRights(of: settings, logger: logger) }
        for listener in removed { await listener.close() }
        for endpoint in Set(removed.map(\.endpoint)) {
            logger.info("no longer listening", metadata: endpoint.metadata)
        }
        // An error here does not undo the settings. It is logged again.
        unrestored.withLock { $0 = [] }
        for listener in remaining where listener.hasLostFile { await restore(listener) }
    }

    /// - Returns: `false` if the server does not serve, so that nothing is changed.
    private func setListeners(_ listeners: [Listener]) -> Bool {
        phase.withLock { phase in
            guard case .serving(_, let loop) = phase else { return false }
            phase = .serving(listeners, loop)
            return true
        }
    }

    /// Uses these settings from now on. Mode and group of the sockets do not change before `change`.
    package func update(settings: LookupSettings) {
        state.update(settings: settings)
        registry.update(limit: settings.maximumConnections)
    }

    /// Binds unix sockets again whose file was removed or replaced: by a clean-up of the directory, or when a volume was
    /// mounted again.
    private func checkSocketFiles() async {
        let listeners = phase.withLock(\.listeners)
        for listener in listeners { listener.removeUnusedNames() }
        guard listeners.contains(where: \.hasLostFile) else { return }
        await changes.run {
            for listener in self.phase.withLock(\.listeners) where listener.hasLostFile { await self.restore(listener) }
        }
    }

    private func restore(_ lost: Listener) async {
        guard let loop = phase.withLock(\.loop) else { return }
        do throws(ListenError) {
            let bound = try await bind([lost.endpoint], on: loop, settings: state.settings)
            let others = phase.withLock(\.listeners).filter { $0 != lost }
            guard setListeners(others + bound) else {
                for listener in bound { await listener.close() }
                return
            }
            unrestored.withLock { _ = $0.remove(lost.endpoint) }
            logger.warning(
                "unix socket file was removed or replaced, opened a new one",
                metadata: ["address": "\(lost.endpoint.address)"])
            logListening(at: [lost.endpoint])
            await lost.close()
        } catch {
            let isNew = unrestored.withLock { $0.insert(lost.endpoint).inserted }
            guard isNew else { return }
            logger.error(
                "unix socket file was removed or replaced and cannot be opened again, Postfix cannot connect",
                metadata: ["address": "\(lost.endpoint.address)", "reason": "\(error)"])
        }
    }

    private static func endpoints(socketmap: [ListenAddress], tcpTable: [ListenAddress]) -> [TableEndpoint] {
        socketmap.map { TableEndpoint(address: $0, table: .socketmap) }
            + tcpTable.map { TableEndpoint(address: $0, table: .tcpTable) }
    }

    // MARK: Listening

    /// Listens at all of the endpoints, or at none.
    ///
    /// - Parameter remaining: listeners of this process that stay open.
    private func bind(
        _ endpoints: [TableEndpoint], on loop: SocketLoop, settings: LookupSettings, beside remaining: [Listener] = []
    ) async throws(ListenError) -> [Listener] {
        var listeners: [Listener] = []
        do throws(ListenError) {
            for endpoint in endpoints {
                let context = Listener.ListenerContext(
                    settings: settings, passed: passed, loop: loop, logger: logger,
                    accept: { self.accept($0, queue: $1, for: endpoint.table) },
                    onExhausted: { self.logExhaustion(code: $0) })
                let bound = try await Listener.listen(at: endpoint, context: context)
                listeners += bound
                try checkPorts(of: bound, beside: remaining + listeners)
            }
        } catch {
            for listener in listeners { await listener.close() }
            throw error
        }
        return listeners
    }

    /// Two addresses of the configuration, such as `localhost` and `127.0.0.1`, may name one port. The kernel allows that.
    private func checkPorts(of bound: [Listener], beside others: [Listener]) throws(ListenError) {
        for listener in bound {
            guard let other = others.first(where: { $0 != listener && $0.sharesPort(with: listener) }) else { continue }
            throw ListenError(
                address: listener.endpoint.address, cause: BindError.usedTwice(other.endpoint.address))
        }
    }

    private func logListening(at endpoints: [TableEndpoint]) {
        for endpoint in endpoints { logger.info("listening", metadata: endpoint.metadata) }
    }

    /// Called on the thread of the socket loop. `nil`: the connection is refused.
    private func accept(
        _ socket: any ConnectionSocket, queue: any ConnectionQueue, for table: TableProtocol
    ) -> TableConnection? {
        let connection = Connection(queue: queue, registry: registry)
        let admission = registry.admit(connection)
        log(admission)
        switch admission {
        case .admitted: break
        case .replacing(let oldest): oldest.queue.post(.close)
        case .refused: return nil
        }
        return TableConnection(
            table, socket: socket, service: service, shared: state, connection: connection, logger: logger)
    }

    private func log(_ admission: ConnectionRegistry.Admission) {
        let limit = { [state] in ["limit": "\(state.settings.maximumConnections)"] as Logger.Metadata }
        switch admission {
        case .admitted: break
        case .replacing:
            guard let suppressed = state.replacedConnections.admit() else { return }
            logger.warning(
                "connection limit reached, closing the oldest idle connection",
                metadata: limit().merging(suppressed) { $1 })
        case .refused:
            guard let suppressed = state.refusedConnections.admit() else { return }
            logger.warning(
                "connection limit reached and all are busy, refusing: raise listen.max-connections",
                metadata: limit().merging(suppressed) { $1 })
        }
    }

    private func logExhaustion(code: Int32) {
        guard let suppressed = state.unacceptedConnections.admit() else { return }
        logger.error(
            "cannot accept connections, they wait: raise LimitNOFILE of the unit, or free memory",
            metadata: suppressed.merging(["error": "\(String(cString: strerror(code)))"]) { $1 })
    }
}

extension TableEndpoint {
    fileprivate var metadata: Logger.Metadata { ["address": "\(address)", "protocol": "\(table.rawValue)"] }
}

/// Runs pieces of work one after the other, in the order of the calls.
///
/// Concurrency: any task. A cancelled caller still waits for its work, which runs to its end.
actor WorkSequence {
    private var last: Task<Void, Never>?

    func run<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value {
        let task = Task { [last] in
            await last?.value
            return await work()
        }
        last = Task { _ = await task.value }
        return await task.value
    }
}

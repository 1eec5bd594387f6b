import Logging
import Metrics
import NIOCore
import NIOPosix
import PolicyService
import PostfixTable
import ServiceLifecycle
import ServiceManager
import Synchronization

/// The tables that Postfix asks: listeners, their connections, and how they end.
///
/// Concurrency: connections are spread over the event loops of `group`; one loop serves any Postfix, a lookup takes
/// microseconds. `change` from any task; one change follows the other. Every five seconds it looks whether the files of unix
/// sockets still stand.
/// Fails by: `ListenFailure`, when an address cannot be had: at the start it ends the server, later it changes nothing.
/// Stops by: leaving new connections to an heir (`Tenure`), if there is one, answering what is pending, closing the rest.
/// Postfix reconnects by itself.
/// Not here: DNS, HTTP, what is remembered.
package final class LookupServer: Service {
    private enum Phase {
        case starting
        case serving([Listener])
        case stopping

        var listeners: [Listener] {
            guard case .serving(let listeners) = self else { return [] }
            return listeners
        }
    }

    private let places: [TablePlace]
    private let service: PolicyService
    private let state: LookupState
    private let registry: ConnectionRegistry
    private let phase = Mutex(Phase.starting)
    private let tenure: Mutex<Tenure>
    private let passed: PassedSockets
    private let group: any EventLoopGroup
    private let logger: Logger
    private let sleep: @Sendable (Duration) async throws -> Void
    private let onListening: @Sendable ([Int]) -> Void
    /// What binds and closes listeners once the server serves.
    private let changes = WorkSequence()
    /// Places whose lost sockets could not be made again, and the log has a line of it.
    private let unrestored = Mutex<Set<TablePlace>>([])

    private static let fileInterval = Duration.seconds(5)

    /// - Parameters:
    ///   - passed: what addresses of the form `systemd:NAME` mean.
    ///   - sleep: between two looks at the files of unix sockets.
    ///   - onListening: called once, when all listeners stand, with the TCP ports in the order of the addresses, socketmap
    ///     first.
    package init(
        socketmap: [ListenAddress], tcpTable: [ListenAddress], service: PolicyService,
        settings: LookupSettings = LookupSettings(), tenure: Tenure = .alone, passed: PassedSockets = .none,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        onListening: @escaping @Sendable ([Int]) -> Void = { _ in }
    ) {
        places = Self.places(socketmap, tcpTable)
        self.service = service
        state = LookupState(settings, logger: logger, metrics: metrics)
        registry = ConnectionRegistry(limit: settings.maximumConnections, metrics: metrics)
        self.tenure = Mutex(tenure)
        self.passed = passed
        self.group = group
        self.logger = logger
        self.sleep = sleep
        self.onListening = onListening
    }

    package func run() async throws {
        let listeners = try await bind(places, state.settings)
        phase.withLock { $0 = .serving(listeners) }
        await takeChargeIfDue(of: listeners)
        onListening(listeners.compactMap(\.port))
        tell(places)
        // Until SIGTERM or SIGINT, or until another service has failed; either way this one ends in order.
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            try? await cancelWhenGracefulShutdown { try await self.sleep(Self.fileInterval) }
            if !Task.isShuttingDownGracefully { await restoreLostSockets() }
        }
        logger.info("stopping, answering pending lookups", metadata: ["connections": "\(registry.count)"])
        await leave(stop())
        await registry.drain()
    }

    private func leave(_ listeners: [Listener]) async {
        let tenure = tenure.withLock(\.self)
        if tenure == .inCharge { for listener in listeners { await listener.yieldToHeir() } }
        if tenure != .alone { for listener in listeners { await listener.acceptWhatIsQueued() } }
        for listener in listeners { await listener.close() }
    }

    /// The one that was in charge has ended: its addresses are ours.
    package func takeCharge() async {
        tenure.withLock { $0 = .inCharge }
        for listener in phase.withLock(\.listeners) { await listener.takeCharge() }
    }

    /// It may have come to that while they were bound.
    private func takeChargeIfDue(of listeners: [Listener]) async {
        guard tenure.withLock(\.self) == .inCharge else { return }
        for listener in listeners { await listener.takeCharge() }
    }

    private func stop() -> [Listener] {
        phase.withLock { phase in
            defer { phase = .stopping }
            return phase.listeners
        }
    }

    /// Whether a Postfix that knows the words of dialect `sts` asks by a map name that does not want them.
    package var isAskedForFewerWords: Bool { state.wastesWords }

    /// Where the sockets that the service manager has passed are, in the order of the configuration.
    package var passedSockets: [TablePlace] {
        phase.withLock(\.listeners).compactMap { listener in
            guard case .systemd = listener.place.address, let address = listener.address else { return nil }
            return TablePlace(address: address, table: listener.place.table)
        }
    }

    // MARK: Change

    /// Listens at these addresses and no others, and serves by these settings from now on, or throws and changes nothing.
    /// Connections stay, those of an address that is given up too. A unix socket that stays gets its mode and group again; one
    /// whose file was removed is made anew, at once or, while something is in the way, within seconds of its end.
    package func change(
        socketmap: [ListenAddress], tcpTable: [ListenAddress], settings: LookupSettings
    ) async throws(ListenFailure) {
        let wanted = Self.places(socketmap, tcpTable)
        let result = await changes.run {
            do throws(ListenFailure) {
                try await self.change(to: wanted, settings)
                return Result<Void, ListenFailure>.success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private func change(to wanted: [TablePlace], _ settings: LookupSettings) async throws(ListenFailure) {
        let old = phase.withLock(\.listeners)
        let givenUp = old.filter { !wanted.contains($0.place) }
        let kept = old.filter { wanted.contains($0.place) }
        let new = wanted.filter { place in !kept.contains { $0.place == place } }
        let bound = try await bind(new, settings, replacing: givenUp)
        // While they were bound the daemon may have been told to stop, or it has not come to serving yet.
        guard setListeners(kept + bound) else {
            for listener in bound { await listener.close() }
            throw .notNow
        }
        await takeChargeIfDue(of: bound)
        tell(new)
        use(settings, for: kept)
        for listener in givenUp { await listener.close() }
        for place in Set(givenUp.map(\.place)) { logger.info("no longer listening", metadata: place.facts) }
        // One that cannot be made again keeps no setting out of force. What is in its way is logged again.
        unrestored.withLock { $0 = [] }
        for listener in kept where listener.hasLostFile { await restore(listener) }
    }

    /// - Returns: whether the server serves; if not, nothing is changed.
    private func setListeners(_ listeners: [Listener]) -> Bool {
        phase.withLock { phase in
            guard case .serving = phase else { return false }
            phase = .serving(listeners)
            return true
        }
    }

    /// Serves by these settings from now on, and leaves the sockets alone: mode and group are for `change`.
    package func update(settings: LookupSettings) {
        state.use(settings)
        registry.use(limit: settings.maximumConnections)
    }

    private func use(_ settings: LookupSettings, for kept: [Listener]) {
        update(settings: settings)
        for listener in kept { listener.applyRights(settings, logger: logger) }
    }

    /// Listens again at unix sockets whose file was removed or replaced: a clean-up of the directory, a volume that was
    /// mounted anew.
    private func restoreLostSockets() async {
        guard phase.withLock(\.listeners).contains(where: \.hasLostFile) else { return }
        await changes.run {
            for listener in self.phase.withLock(\.listeners) where listener.hasLostFile { await self.restore(listener) }
        }
    }

    private func restore(_ lost: Listener) async {
        do throws(ListenFailure) {
            let bound = try await bind([lost.place], state.settings)
            let others = phase.withLock(\.listeners).filter { $0 != lost }
            guard setListeners(others + bound) else {
                for listener in bound { await listener.close() }
                return
            }
            await takeChargeIfDue(of: bound)
            noteRestored(lost)
            tell([lost.place])
            await lost.close()
        } catch {
            let isNew = unrestored.withLock { $0.insert(lost.place).inserted }
            guard isNew else { return }
            logger.error(
                "file of the unix socket is gone and cannot be made again, Postfix cannot connect",
                metadata: ["address": "\(lost.place.address)", "reason": "\(error)"])
        }
    }

    private func noteRestored(_ lost: Listener) {
        unrestored.withLock { _ = $0.remove(lost.place) }
        logger.warning(
            "file of the unix socket was gone, listening anew", metadata: ["address": "\(lost.place.address)"])
    }

    private static func places(_ socketmap: [ListenAddress], _ tcpTable: [ListenAddress]) -> [TablePlace] {
        socketmap.map { TablePlace(address: $0, table: .socketmap) }
            + tcpTable.map { TablePlace(address: $0, table: .tcpTable) }
    }

    // MARK: Listening

    /// All of them, or none.
    ///
    /// - Parameter givenUp: what is closed only when the new ones stand, and may be in their way.
    private func bind(
        _ places: [TablePlace], _ settings: LookupSettings, replacing givenUp: [Listener] = []
    ) async throws(ListenFailure) -> [Listener] {
        let surroundings = Listener.Surroundings(
            settings: settings, tenure: tenure.withLock(\.self), passed: passed, group: group, logger: logger)
        var listeners: [Listener] = []
        do throws(ListenFailure) {
            for place in places {
                listeners += try await Listener.listen(place, in: surroundings) { self.accept($0, place.table) }
            }
        } catch {
            for listener in listeners { await listener.close() }
            throw error.explained(by: givenUp.map(\.place.address))
        }
        return listeners
    }

    private func tell(_ places: [TablePlace]) {
        for place in places { logger.info("listening", metadata: place.facts) }
    }

    /// On the new connection's event loop.
    private func accept(_ channel: any Channel, _ table: TableProtocol) -> EventLoopFuture<Void> {
        let connection = Connection(channel: channel, registry: registry)
        let limit: Logger.Metadata = ["limit": "\(state.settings.maximumConnections)"]
        switch registry.admit(connection) {
        case .admitted: break
        case .replacing(let oldest):
            if let suppressed = state.replacedConnections.admit() {
                logger.warning(
                    "connection limit reached, closing the oldest idle connection",
                    metadata: limit.merging(suppressed) { $1 })
            }
            oldest.channel.close(promise: nil)
        case .refused:
            if let suppressed = state.refusedConnections.admit() {
                logger.warning(
                    "connection limit reached and all are busy, refusing: raise listen.max-connections",
                    metadata: limit.merging(suppressed) { $1 })
            }
            return channel.close()
        }
        channel.closeFuture.whenComplete { [registry] _ in registry.remove(connection) }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(
                TableConnectionHandler(table, service: service, state: state, connection: connection, logger: logger))
        }
    }
}

extension TablePlace {
    fileprivate var facts: Logger.Metadata { ["address": "\(address)", "protocol": "\(table.rawValue)"] }
}

extension ListenFailure {
    /// - Parameter givenUp: addresses of this process that are to be closed, but only when the new ones stand.
    fileprivate func explained(by givenUp: [ListenAddress]) -> ListenFailure {
        guard isTaken, let address, let old = givenUp.first(where: { $0.mayOverlap(address) }) else { return self }
        return ListenFailure(address: address, error: Reason.inTheWay(old))
    }
}

extension ListenAddress {
    /// The same socket, or the same port at an address that one of the two may include, as 0.0.0.0 does.
    fileprivate func mayOverlap(_ other: ListenAddress) -> Bool {
        switch (self, other) {
        case (.tcp(_, let port), .tcp(_, let otherPort)): port == otherPort && port != 0
        case (.unix(let path), .unix(let otherPath)): path == otherPath
        case (.tcp, _), (.unix, _), (.systemd, _): false
        }
    }
}

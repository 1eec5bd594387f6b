import Logging
import NIOCore
import NIOPosix
import PolicyService
import PostfixTable
import ServiceLifecycle

/// The tables that Postfix asks: listeners, their connections, and how they end.
///
/// Concurrency: connections are spread over the event loops of `group`; one loop serves any Postfix, a lookup takes
/// microseconds.
/// Fails by: `ListenFailure` at the start, when one address cannot be had; never later.
/// Stops by: taking no more connections, answering what is pending, closing the rest. Postfix reconnects by itself.
/// Not here: DNS, HTTP, what is remembered.
package struct LookupServer: Service {
    private let socketmap: [ListenAddress]
    private let tcpTable: [ListenAddress]
    private let service: PolicyService
    private let settings: LookupSettings
    private let group: any EventLoopGroup
    private let logger: Logger
    private let onListening: @Sendable ([Int]) -> Void

    /// - Parameter onListening: called once, when all listeners stand, with the TCP ports in the order of the
    ///   addresses, socketmap first.
    package init(
        socketmap: [ListenAddress], tcpTable: [ListenAddress], service: PolicyService,
        settings: LookupSettings = LookupSettings(), group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger, onListening: @escaping @Sendable ([Int]) -> Void = { _ in }
    ) {
        self.socketmap = socketmap
        self.tcpTable = tcpTable
        self.service = service
        self.settings = settings
        self.group = group
        self.logger = logger
        self.onListening = onListening
    }

    package func run() async throws {
        let registry = ConnectionRegistry(limit: settings.maximumConnections)
        var listeners: [Listener] = []
        do {
            for address in socketmap { listeners.append(try await listen(on: address, .socketmap, registry)) }
            for address in tcpTable { listeners.append(try await listen(on: address, .tcpTable, registry)) }
        } catch {
            for listener in listeners { await listener.close() }
            throw error
        }
        onListening(listeners.compactMap(\.port))
        // Returns at SIGTERM or SIGINT, throws when another service has failed; either way this one ends in order.
        try? await gracefulShutdown()
        logger.info("stopping, answering pending lookups", metadata: ["connections": "\(registry.count)"])
        for listener in listeners { await listener.close() }
        await registry.drain()
    }

    private func listen(
        on address: ListenAddress, _ table: TableProtocol, _ registry: ConnectionRegistry
    ) async throws(ListenFailure) -> Listener {
        let listener = try await Listener.bind(address, settings: settings, group: group, logger: logger) { channel in
            self.accept(channel, table, registry)
        }
        logger.info("listening", metadata: ["address": "\(address)", "protocol": "\(table.rawValue)"])
        return listener
    }

    /// On the new connection's event loop.
    private func accept(
        _ channel: any Channel, _ table: TableProtocol, _ registry: ConnectionRegistry
    ) -> EventLoopFuture<Void> {
        let connection = Connection(channel: channel)
        switch registry.admit(connection) {
        case .admitted: break
        case .replacing(let oldest):
            logger.warning(
                "connection limit reached, closing the oldest idle connection",
                metadata: ["limit": "\(settings.maximumConnections)"])
            oldest.channel.close(promise: nil)
        case .refused:
            logger.warning(
                "connection limit reached and all are busy, refusing: raise listen.max-connections",
                metadata: ["limit": "\(settings.maximumConnections)"])
            return channel.close()
        }
        channel.closeFuture.whenComplete { _ in registry.remove(connection) }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(
                TableConnectionHandler(
                    table, service: service, settings: settings, connection: connection, logger: logger))
        }
    }
}

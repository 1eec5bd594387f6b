import Glibc
import Hummingbird
import LocalSystem
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// Serves `/metrics`, `/healthz` and `/readyz` over plain HTTP.
///
/// Protocol: HTTP/1.1, GET and HEAD.
/// Concurrency: connections live on the event loops of `group`; pages are rendered on Swift's threads, so no lookup
/// waits. As the first service of its group it stops last, after the current responses. Until then `/readyz` is 503.
/// Errors: `MonitoringError` at the start if an address cannot be opened; none later.
/// Not here: counting (the modules that do the work), whether the daemon is ready (Readiness).
package struct MonitoringServer: Service {
    private let addresses: [TCPAddress]
    private let pages: MonitoringPages
    private let settings: MonitoringSettings
    private let group: any EventLoopGroup
    private let logger: Logger
    private let onListening: @Sendable ([Int]) -> Void

    /// - Parameters:
    ///   - addresses: not empty. `::` includes all IPv4 addresses.
    ///   - gather: updates metrics that are not counted as events happen; called before each page of metrics.
    ///   - onListening: called once, when all addresses are bound, with their ports in the order of the addresses.
    package init(
        _ addresses: [TCPAddress], registry: PrometheusRegistry, readiness: Readiness,
        settings: MonitoringSettings = MonitoringSettings(), group: any EventLoopGroup, logger: Logger,
        gather: @escaping @Sendable () async -> Void = {},
        onListening: @escaping @Sendable ([Int]) -> Void = { _ in }
    ) {
        self.addresses = addresses
        pages = MonitoringPages(registry: registry, readiness: readiness, gather: gather)
        self.settings = settings
        self.group = group
        self.logger = logger
        self.onListening = onListening
    }

    package func run() async throws {
        let bound = BoundPorts(count: addresses.count)
        try await withThrowingTaskGroup(of: Void.self) { servers in
            for (index, address) in addresses.enumerated() {
                servers.addTask {
                    try await serve(address) { port in
                        if let all = bound.add(port, at: index) { onListening(all) }
                    }
                }
            }
            // The first error ends the other servers.
            for try await _ in servers {}
        }
    }

    private func serve(
        _ address: TCPAddress, onListening: @escaping @Sendable (Int) -> Void
    ) async throws(MonitoringError) {
        // Hummingbird logs its start and stop; the daemon has its own messages for these.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .critical)
        let settings = settings
        let application = Application(
            responder: CallbackResponder<BasicRequestContext> { request, _ in await pages.response(to: request) },
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [ConnectionLifetime(limit: settings.lifetime)],
                    idleTimeout: settings.idleTimeout,
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: settings.maximumHead, maxHeaderListSize: settings.maximumHead,
                        maxHeaderFieldCount: Self.maximumFields))),
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port),
                availableConnectionsDelegate: .maximum(settings.maximumConnections, logger: quiet)),
            onServerRunning: { channel in onListening(channel.localAddress?.port ?? address.port) },
            eventLoopGroupProvider: .shared(group), logger: quiet)
        do {
            try await application.run()
        } catch {
            throw MonitoringError(address, reason: error)
        }
    }

    private static let maximumFields = 100
}

/// Collects the ports of all addresses, which are bound one by one.
private final class BoundPorts: Sendable {
    private let ports: Mutex<[Int?]>

    init(count: Int) {
        ports = Mutex([Int?](repeating: nil, count: count))
    }

    /// - Returns: the ports of all addresses after the last one; `nil` before.
    func add(_ port: Int, at index: Int) -> [Int]? {
        ports.withLock { ports in
            ports[index] = port
            let all = ports.compactMap(\.self)
            return all.count == ports.count ? all : nil
        }
    }
}

/// An address that cannot be opened. The text says which, why, and what to do.
package struct MonitoringError: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// Another process has the address.
    package let isAddressInUse: Bool

    init(_ address: TCPAddress, reason error: any Error) {
        let code = (error as? IOError)?.errnoCode
        isAddressInUse = code == EADDRINUSE
        let cause = code.map { ListenAdvice.text(for: $0, section: "http.listen", mayBePath: false) }
        description = "cannot serve http on \(address): \(cause ?? "\(error)")"
    }
}

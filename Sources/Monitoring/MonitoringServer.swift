import Glibc
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// What machines watch, over plain HTTP: `/metrics`, `/healthz`, `/readyz`.
///
/// Concurrency: connections live on the event loops of `group`, pages are written on Swift's threads; no lookup waits.
/// Fails by: `MonitoringFailure` at the start, when one address cannot be had; never later.
/// Stops by: ending each connection after the page that is being written. As the first of its group it stops last, and tells
/// until then that the others are stopping.
/// Not here: what is counted (the rooms that do the work), whether we are ready (Readiness).
package struct MonitoringServer: Service {
    private let addresses: [MonitoringAddress]
    private let pages: MonitoringPages
    private let settings: MonitoringSettings
    private let group: any EventLoopGroup
    private let logger: Logger
    private let onListening: @Sendable ([Int]) -> Void

    /// - Parameters:
    ///   - addresses: not empty.
    ///   - gather: brings metrics up to date that nobody counts as things happen; called before a page is written.
    ///   - onListening: called once, when all addresses are bound, with the ports in their order.
    package init(
        _ addresses: [MonitoringAddress], registry: PrometheusRegistry, readiness: Readiness,
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
            for (place, address) in addresses.enumerated() {
                servers.addTask {
                    try await serve(address) { port in
                        if let all = bound.add(port, at: place) { onListening(all) }
                    }
                }
            }
            // The first that fails ends the others.
            for try await _ in servers {}
        }
    }

    private func serve(
        _ address: MonitoringAddress, onListening: @escaping @Sendable (Int) -> Void
    ) async throws(MonitoringFailure) {
        // What it says of its own start and stop we say better.
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
            throw MonitoringFailure(address, error)
        }
    }

    private static let maximumFields = 100
}

/// The ports of all addresses, as one after the other is bound.
private final class BoundPorts: Sendable {
    private let ports: Mutex<[Int?]>

    init(count: Int) {
        ports = Mutex([Int?](repeating: nil, count: count))
    }

    /// - Returns: all of them, if this was the last one.
    func add(_ port: Int, at place: Int) -> [Int]? {
        ports.withLock { ports in
            ports[place] = port
            let all = ports.compactMap(\.self)
            return all.count == ports.count ? all : nil
        }
    }
}

/// An address that could not be had.
package struct MonitoringFailure: Error, Sendable, CustomStringConvertible {
    package let description: String

    init(_ address: MonitoringAddress, _ error: any Error) {
        description = "cannot serve http on \(address): \((error as? IOError)?.explanation ?? "\(error)")"
    }
}

extension IOError {
    fileprivate var explanation: String {
        let text = String(cString: strerror(errnoCode))
        return switch errnoCode {
        case EADDRINUSE: "\(text); stop the other process or choose another port under http.listen"
        case EACCES: "\(text); a port below 1024 needs more rights"
        case EADDRNOTAVAIL: "\(text); this host does not have the address"
        default: text
        }
    }
}

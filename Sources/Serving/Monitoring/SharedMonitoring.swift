import Logging
import ServiceLifecycle

/// The monitoring server of a daemon that may run beside another one. Only one of them has the addresses at a time.
///
/// If another process on the same cache file has an address, the daemon goes on without the server. The server listens as soon
/// as the address is free.
/// Concurrency: any task.
/// Errors: `MonitoringError` if another program has the address, or it cannot be opened for another reason. A server that
/// waits for its address throws none: the daemon serves lookups by then.
package struct SharedMonitoring: Service {
    private let serve: @Sendable () async throws -> Void
    private let logger: Logger
    private let isShared: @Sendable () -> Bool
    private let waitUntilServing: @Sendable () async -> Void
    private let onPostponed: @Sendable () -> Void

    private static let interval = Duration.milliseconds(200)

    /// - Parameters:
    ///   - isShared: returns whether another process uses the same cache file.
    ///   - waitUntilServing: returns when the daemon serves lookups. The server does not try again before.
    ///   - onPostponed: called once, when the server has to wait for an address.
    package init(
        _ server: MonitoringServer, logger: Logger, isShared: @escaping @Sendable () -> Bool,
        waitUntilServing: @escaping @Sendable () async -> Void, onPostponed: @escaping @Sendable () -> Void
    ) {
        self.init(
            serve: server.run, logger: logger, isShared: isShared, waitUntilServing: waitUntilServing,
            onPostponed: onPostponed)
    }

    init(
        serve: @escaping @Sendable () async throws -> Void, logger: Logger, isShared: @escaping @Sendable () -> Bool,
        waitUntilServing: @escaping @Sendable () async -> Void, onPostponed: @escaping @Sendable () -> Void
    ) {
        self.serve = serve
        self.logger = logger
        self.isShared = isShared
        self.waitUntilServing = waitUntilServing
        self.onPostponed = onPostponed
    }

    package func run() async throws {
        var isPostponed = false
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            do {
                return try await serve()
            } catch let error as MonitoringError where isPostponed || error.isAddressInUse && isShared() {
                if !isPostponed {
                    logger.notice(
                        "http.listen is in use by another process, waiting for it", metadata: ["reason": "\(error)"])
                    onPostponed()
                }
                isPostponed = true
            }
            await waitUntilServing()
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.interval) }
        }
    }
}

import Logging
import Monitoring
import ServiceLifecycle

/// A service that begins when something else has happened.
struct AfterMilestone: Service {
    let milestone: Milestone
    let service: any Service

    func run() async throws {
        for await _ in milestone.arrival.cancelOnGracefulShutdown() {}
        guard !Task.isShuttingDownGracefully, !Task.isCancelled else { return }
        try await service.run()
    }
}

/// HTTP on addresses that another daemon gives up as the last thing it does. Mail does not need it, so it ends nothing.
struct InheritedMonitoring: Service {
    let server: MonitoringServer
    let logger: Logger

    private static let patience = Duration.seconds(30)
    private static let pulse = Duration.milliseconds(200)

    func run() async throws {
        let start = ContinuousClock.now
        while true {
            do {
                return try await server.run()
            } catch let failure as MonitoringFailure {
                guard ContinuousClock.now - start < Self.patience else { return await goOnWithout(failure) }
                try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.pulse) }
            }
            guard !Task.isShuttingDownGracefully, !Task.isCancelled else { return }
        }
    }

    private func goOnWithout(_ failure: MonitoringFailure) async {
        logger.error("metrics and health cannot be served, going on without", metadata: ["reason": "\(failure)"])
        // A service that returns would end the daemon.
        try? await gracefulShutdown()
    }
}

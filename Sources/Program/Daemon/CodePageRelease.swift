import LocalSystem
import ServiceLifecycle

/// Releases the code that only the start needed, once the cached policies are loaded.
///
/// It waits a moment more: code that the first lookups need would have to be mapped again while they wait.
/// Concurrency: one task.
struct CodePageRelease: Service {
    let loaded: AsyncLatch
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    var release: @Sendable () -> Void = { ProgramCode.releasePages() }

    static let delay = Duration.seconds(1)

    func run() async {
        await loaded.wait()
        try? await cancelWhenGracefulShutdown { try await sleep(Self.delay) }
        guard !Task.isShuttingDownGracefully, !Task.isCancelled else { return }
        release()
        // The group stops when a service returns.
        try? await gracefulShutdown()
    }
}

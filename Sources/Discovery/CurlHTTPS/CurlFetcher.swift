import Discovery
import Glibc
import LibCurl

/// Fetches policies using libcurl.
///
/// Each fetch is one HTTPS GET request over a new connection to one of the given addresses. OpenSSL verifies the certificate
/// for the policy host.
///
/// Concurrency: Any number of fetches from any task. `maximumInFlight` of them run at once, and the others wait within their
/// time limit. `FetchSchedule` keeps the hosts of one domain from delaying others. A few threads run libcurl.
/// Limits: Caches nothing except the parsed CA file, for an hour.
/// Errors: `FetchError`, after `close()` always `.cancelled`. The initialiser throws `CurlSetupError`.
/// Not here: the choice of addresses, parsing of policies (Discovery), retries (PolicyRuntime).
package final class CurlFetcher: PolicyFetcher {
    private let dispatcher: FetchDispatcher
    private let threads: [CurlThread]

    /// - Parameter onLoadChange: Called on any thread after fetches begin, wait or end.
    /// - Throws: `CurlSetupError` with advice for the operator.
    package init(
        _ configuration: CurlFetcherConfiguration = CurlFetcherConfiguration(),
        onLoadChange: @escaping @Sendable (FetchLoadChange) -> Void = { _ in }
    ) throws(CurlSetupError) {
        try CurlLibrary.check()
        try CAFile.check(configuration.trust.path)
        var threads: [CurlThread] = []
        var started = 0
        do throws(CurlSetupError) {
            for _ in 0..<max(1, configuration.threads) { threads.append(try CurlThread()) }
            self.threads = threads
            dispatcher = FetchDispatcher(
                schedule: FetchSchedule(
                    timeout: configuration.timeout,
                    limits: FetchLimits(slots: configuration.maximumInFlight, waiting: configuration.maximumWaiting)),
                threads: threads.map(\.commandQueue), onLoadChange: onLoadChange)
            for thread in threads {
                try thread.start(dispatcher, configuration: configuration, hasTimer: started == 0)
                started += 1
            }
        } catch {
            for thread in threads[..<started] { thread.commandQueue.close() }
            for thread in threads[started...] { thread.release() }
            throw error
        }
    }

    /// The threads do not retain the fetcher, so a missing `close()` leaks nothing.
    deinit { dispatcher.close() }

    package func fetch(_ request: PolicyRequest) async throws(FetchError) -> PolicyResponse {
        let id = dispatcher.newID()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { reply in
                dispatcher.start(id, request: request, reply: reply)
            }
        } onCancel: {
            dispatcher.cancel(id)
        }
        return try result.get()
    }

    /// Removes SSLKEYLOGFILE, the only variable that libcurl reads regardless of its options. libcurl would write the keys of
    /// all TLS connections to that file.
    ///
    /// Call it before the first fetcher and before other threads exist, because it changes the environment.
    package static func removeEnvironment() {
        unsetenv("SSLKEYLOGFILE")
    }

    /// Ends all fetches with `.cancelled` and returns when the threads have closed their sockets. It may be called again.
    package func close() async {
        dispatcher.close()
        for thread in threads { await thread.commandQueue.waitForEnd() }
    }
}

import CCurl
import Discovery
import Glibc
import LibCurl
import LocalSystem

/// Fetches policies using libcurl.
///
/// Each fetch is one HTTPS GET request over a new connection to one of the given addresses. OpenSSL verifies the certificate
/// for the policy host.
///
/// Concurrency: Any number of fetches from any task. `maximumInFlight` of them run at once, and the others wait within their
/// time limit. `FetchSchedule` keeps the hosts of one domain from delaying others. One thread runs libcurl.
/// Limits: Caches nothing except the parsed CA file, for an hour.
/// Errors: `FetchError`, after `close()` always `.cancelled`. The initialiser throws `CurlSetupError`.
/// Not here: the choice of addresses, parsing of policies (Discovery), retries (PolicyRuntime).
package final class CurlFetcher: PolicyFetcher {
    private let commandQueue: CurlCommandQueue

    /// - Parameter onLoadChange: Called on the fetcher's thread after fetches begin, wait or end.
    /// - Throws: `CurlSetupError` with advice for the operator.
    package init(
        _ configuration: CurlFetcherConfiguration = CurlFetcherConfiguration(),
        onLoadChange: @escaping @Sendable (FetchLoadChange) -> Void = { _ in }
    ) throws(CurlSetupError) {
        try CurlLibrary.check()
        try CAFile.check(configuration.trust.path)
        guard let multi = curl_multi_init().map(MultiHandle.init) else {
            throw .resources("libcurl has no multi handle")
        }
        commandQueue = CurlCommandQueue(waking: multi)
        // With CURLOPT_NOSIGNAL libcurl does not block SIGPIPE for OpenSSL's writes; this thread does.
        let thread = BackgroundThread { [commandQueue] in
            CurlLoop(
                multi: multi.pointer, commandQueue: commandQueue, configuration: configuration,
                onLoadChange: onLoadChange
            ).run()
            commandQueue.stopWaking()
            curl_multi_cleanup(multi.pointer)
            commandQueue.signalEnd()
        }
        guard thread.start() else {
            commandQueue.stopWaking()
            curl_multi_cleanup(multi.pointer)
            throw .resources("no thread: \(CurlErrorMessage.systemError(errno))")
        }
    }

    /// The thread does not retain the fetcher, so a missing `close()` leaks nothing.
    deinit { commandQueue.close() }

    package func fetch(_ request: PolicyRequest) async throws(FetchError) -> PolicyResponse {
        let id = commandQueue.newID()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { reply in
                commandQueue.start(id, request: request, reply: reply)
            }
        } onCancel: {
            commandQueue.cancel(id)
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

    /// Ends all fetches with `.cancelled` and returns when the thread has closed its sockets. It may be called again.
    package func close() async {
        commandQueue.close()
        await commandQueue.waitForEnd()
    }
}

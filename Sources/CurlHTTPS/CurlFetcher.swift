import CCurl
import Discovery
import Glibc

/// Gets policies by libcurl.
///
/// Contract: `PolicyFetcher`; one HTTPS GET over a fresh connection, dialled by the given addresses only, the
/// certificate judged by OpenSSL for the policy host.
/// Concurrency: any number of fetches from any task; `maximumInFlight` of them at once, the others wait while their time
/// runs, so that no domain's hosts keep others waiting (`FetchSchedule`). One thread of its own does all of libcurl's work.
/// Caching: of nothing that a policy host says. The parsed CA file is kept for an hour.
/// Fails by: `FetchFailure`; after `close()` always by `.cancelled`. Setting up fails by `CurlSetupError`.
/// Not here: which addresses may be dialled and what the octets mean (Discovery), retries (PolicyService).
package final class CurlFetcher: PolicyFetcher {
    private let mailbox: CurlMailbox

    /// - Parameter onLoadChange: called on the fetcher's thread after fetches begin, wait or end.
    /// - Throws: `CurlSetupError`, with advice for the operator.
    package init(
        _ configuration: CurlFetcherConfiguration = CurlFetcherConfiguration(),
        onLoadChange: @escaping @Sendable (FetchLoadChange) -> Void = { _ in }
    ) throws(CurlSetupError) {
        try CurlLibrary.check()
        try TrustFile.check(configuration.trust.path)
        guard let multi = curl_multi_init().map(MultiHandle.init) else {
            throw .resources("libcurl has no multi handle")
        }
        mailbox = CurlMailbox(waking: multi)
        let start = ThreadStart(
            multi: multi, mailbox: mailbox, configuration: configuration, onLoadChange: onLoadChange)
        guard start.begin() else {
            mailbox.stopWaking()
            curl_multi_cleanup(multi.pointer)
            throw .resources("no thread: \(CurlText.systemError(errno))")
        }
    }

    /// The thread does not keep the fetcher alive; whoever forgets `close()` leaks nothing.
    deinit { mailbox.close() }

    package func fetch(_ request: PolicyRequest) async throws(FetchFailure) -> PolicyResponse {
        let id = mailbox.newID()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { reply in
                mailbox.start(id, request, reply)
            }
        } onCancel: {
            mailbox.cancel(id)
        }
        return try result.get()
    }

    /// Removes the one variable that libcurl reads whatever its options say: SSLKEYLOGFILE, the file that it would write the
    /// keys of all TLS connections to.
    ///
    /// To be called before the first fetcher is made and before there are threads: it changes the environment.
    package static func removeEnvironment() {
        unsetenv("SSLKEYLOGFILE")
    }

    /// Ends all fetches with `.cancelled` and returns when the thread has closed its sockets. May be called again.
    package func close() async {
        mailbox.close()
        await mailbox.end()
    }
}

/// What the new thread gets to begin with.
private final class ThreadStart {
    let multi: MultiHandle
    let mailbox: CurlMailbox
    let configuration: CurlFetcherConfiguration
    let onLoadChange: @Sendable (FetchLoadChange) -> Void

    init(
        multi: MultiHandle, mailbox: CurlMailbox, configuration: CurlFetcherConfiguration,
        onLoadChange: @escaping @Sendable (FetchLoadChange) -> Void
    ) {
        self.multi = multi
        self.mailbox = mailbox
        self.configuration = configuration
        self.onLoadChange = onLoadChange
    }

    /// False when there is no thread to be had; `errno` tells why.
    func begin() -> Bool {
        var thread = pthread_t()
        let this = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, this.toOpaque())
        guard code == 0 else {
            this.release()
            errno = code
            return false
        }
        // Nobody joins it: `CurlMailbox.end` is how its end is known.
        pthread_detach(thread)
        return true
    }

    private func run() {
        // A peer that has gone is an error of its transfer, not a signal for the daemon: with CURLOPT_NOSIGNAL libcurl
        // leaves SIGPIPE to us, for the writes of OpenSSL. And a signal that the kernel gave to this thread, such as
        // SIGHUP, would be lost for those who wait for it.
        var blocked = sigset_t()
        sigfillset(&blocked)
        pthread_sigmask(SIG_SETMASK, &blocked, nil)

        CurlLoop(
            multi: multi.pointer, mailbox: mailbox, configuration: configuration, onLoadChange: onLoadChange
        ).run()
        mailbox.stopWaking()
        curl_multi_cleanup(multi.pointer)
        mailbox.hasEnded()
    }
}

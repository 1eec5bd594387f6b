import CCurl
import Glibc
import LibCurl
import LocalSystem

/// A thread that runs transfers, with its multi handle and its command queue.
struct CurlThread {
    let commandQueue: CurlCommandQueue
    private let multi: MultiHandle

    /// - Throws: `CurlSetupError.resources`.
    init() throws(CurlSetupError) {
        guard let pointer = curl_multi_init() else { throw .resources("libcurl has no multi handle") }
        multi = MultiHandle(pointer: pointer)
        commandQueue = CurlCommandQueue(waking: multi)
    }

    /// The thread does not retain the `CurlFetcher`. It runs until the command queue is closed.
    ///
    /// - Parameter hasTimer: see `CurlLoop`.
    /// - Throws: `CurlSetupError.resources`.
    func start(
        _ dispatcher: FetchDispatcher, configuration: CurlFetcherConfiguration, hasTimer: Bool
    ) throws(CurlSetupError) {
        // With CURLOPT_NOSIGNAL libcurl does not block SIGPIPE for OpenSSL's writes; this thread does.
        let thread = BackgroundThread { [self] in
            CurlLoop(
                multi: multi.pointer, commandQueue: commandQueue, dispatcher: dispatcher,
                configuration: configuration, hasTimer: hasTimer
            ).run()
            release()
        }
        guard thread.start() else { throw .resources("no thread: \(CurlErrorMessage.systemError(errno))") }
    }

    /// Releases the multi handle. For a thread that has ended, or never started.
    func release() {
        commandQueue.stopWaking()
        curl_multi_cleanup(multi.pointer)
        commandQueue.signalEnd()
    }
}

import CCurl
import Discovery
import LibCurl
import TextFormats

/// Runs libcurl's multi handle: handles commands, performs the actions of the schedule, waits for sockets.
///
/// Concurrency: Created, run and released on one thread (see `CurlFetcher`); not Sendable. It waits in curl_multi_poll, and
/// the command queue wakes it up.
/// Errors: Every fetch gets a result. `run` returns when no fetch is left.
/// Not here: the order of fetches (FetchSchedule), a single attempt (CurlTransfer).
final class CurlLoop {
    private let multi: UnsafeMutableRawPointer
    private let commandQueue: CurlCommandQueue
    private let configuration: CurlFetcherConfiguration
    private let onLoadChange: @Sendable (FetchLoadChange) -> Void
    private var schedule: FetchSchedule
    /// The load at the last call of `onLoadChange`.
    private var load = (inFlight: 0, waiting: 0)
    /// Removing a continuation and resuming it go together, so that it resumes once.
    private var replies: [FetchID: CurlCommandQueue.Reply] = [:]
    private var transfers: [FetchID: CurlTransfer] = [:]
    private var owners: [UnsafeMutableRawPointer: FetchID] = [:]

    /// In milliseconds, without a deadline. Any wake-up ends the wait.
    private static let idleTimeout: Int32 = 600_000

    init(
        multi: UnsafeMutableRawPointer, commandQueue: CurlCommandQueue, configuration: CurlFetcherConfiguration,
        onLoadChange: @escaping @Sendable (FetchLoadChange) -> Void
    ) {
        self.multi = multi
        self.commandQueue = commandQueue
        self.configuration = configuration
        self.onLoadChange = onLoadChange
        schedule = FetchSchedule(
            timeout: configuration.timeout,
            limits: FetchLimits(slots: configuration.maximumInFlight, waiting: configuration.maximumWaiting))
    }

    /// Returns after the command queue is closed and all fetches have ended.
    func run() {
        while true {
            let (commands, isClosing) = commandQueue.takeCommands()
            for command in commands { handle(command) }
            guard !isClosing else { break }
            perform(schedule.expire(now: .now))
            runTransfers()
            reportLoad()
            wait()
        }
        perform(schedule.failAll(with: .cancelled))
        reportLoad()
    }

    private func reportLoad() {
        let now = (inFlight: schedule.inFlight, waiting: schedule.waitingCount)
        guard now != load else { return }
        onLoadChange(FetchLoadChange(inFlight: now.inFlight - load.inFlight, waiting: now.waiting - load.waiting))
        load = now
    }

    private func handle(_ command: CurlCommandQueue.Command) {
        switch command {
        case .start(let id, let request, let start, let reply):
            replies[id] = reply
            perform(schedule.submit(id, request: request, start: start, now: .now))
        case .cancel(let id):
            perform(schedule.cancel(id, now: .now))
        }
    }

    /// Lets libcurl use all ready sockets, and collects the finished attempts.
    private func runTransfers() {
        var running: Int32 = 0
        let code = curl_multi_perform(multi, &running)
        guard code == CURLM_OK else { return failAll(code) }
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle,
                let id = owners[handle], let transfer = transfers[id]
            else { continue }
            let result = transfer.result(sts_curl_message_result(message))
            removeTransfer(id)
            perform(schedule.attemptEnded(id, result: result, now: .now))
        }
    }

    /// Waits for a socket, a timer of libcurl or the schedule, or the command queue.
    private func wait() {
        var timeout = Self.idleTimeout
        if let deadline = schedule.nextDeadline {
            timeout = min(timeout, max(1, (deadline - .now).millisecondsRoundedUp))
        }
        let code = curl_multi_poll(multi, nil, 0, timeout, nil)
        if code != CURLM_OK { failAll(code) }
    }

    /// libcurl itself failed (no memory, too many file descriptors for poll). Ends all fetches, so that none waits forever.
    /// The next fetch starts without leftovers.
    private func failAll(_ code: CURLMcode) {
        perform(schedule.failAll(with: .transport(.local(CurlErrorMessage.multiError(code)))))
    }

    private func perform(_ actions: [FetchSchedule.Action]) {
        // A list instead of recursion: if libcurl fails, each failed connection frees a slot for the next.
        var pending = actions[...]
        while let action = pending.popFirst() {
            switch action {
            case .connect(let id, let request, let address, let limits):
                guard let failure = startTransfer(id, request: request, address: address, limits: limits) else {
                    continue
                }
                pending += schedule.attemptEnded(id, result: .refused(failure), now: .now)
            case .disconnect(let id):
                removeTransfer(id)
            case .finish(let id, let result):
                replies.removeValue(forKey: id)?.resume(returning: result)
            }
        }
    }

    private func startTransfer(
        _ id: FetchID, request: PolicyRequest, address: IPAddress, limits: AttemptLimits
    ) -> FetchError? {
        configuration: do throws(FetchError) {
            let transfer = try CurlTransfer(request, at: address, limits: limits, configuration: configuration)
            let code = curl_multi_add_handle(multi, transfer.handle)
            guard code == CURLM_OK else { throw .transport(.local("curl multi error \(code.rawValue)")) }
            transfers[id] = transfer
            owners[transfer.handle] = id
            return nil
        } catch {
            return error
        }
    }

    /// Closes the connection of the attempt and frees it.
    private func removeTransfer(_ id: FetchID) {
        guard let transfer = transfers.removeValue(forKey: id) else { return }
        owners[transfer.handle] = nil
        // The transfer frees its handle at the end of its life, which must not be before curl_multi_remove_handle.
        withExtendedLifetime(transfer) { _ = curl_multi_remove_handle(multi, transfer.handle) }
    }
}

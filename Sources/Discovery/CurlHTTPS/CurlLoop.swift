import CCurl
import Discovery
import LibCurl
import TextFormats

/// Runs libcurl's multi handle on one thread: starts and ends transfers as commanded, and waits for their sockets.
///
/// Concurrency: Created, run and released on one thread (see `CurlThread`); not Sendable. It waits in curl_multi_poll, and
/// the command queue wakes it up.
/// Errors: Every transfer that is not ended by a command gets a result.
/// Not here: which fetch connects, and where (FetchDispatcher), a single attempt (CurlTransfer).
final class CurlLoop {
    private struct Running {
        let fetch: FetchID
        let transfer: CurlTransfer
    }

    private let multi: UnsafeMutableRawPointer
    private let commandQueue: CurlCommandQueue
    private let dispatcher: FetchDispatcher
    private let configuration: CurlFetcherConfiguration
    private let hasTimer: Bool
    private var transfers: [TransferID: Running] = [:]
    private var owners: [UnsafeMutableRawPointer: TransferID] = [:]

    /// In milliseconds, without a deadline. Any wake-up ends the wait.
    private static let idleTimeout: Int32 = 600_000

    /// - Parameter hasTimer: whether this thread calls `expire` of the dispatcher.
    init(
        multi: UnsafeMutableRawPointer, commandQueue: CurlCommandQueue, dispatcher: FetchDispatcher,
        configuration: CurlFetcherConfiguration, hasTimer: Bool
    ) {
        self.multi = multi
        self.commandQueue = commandQueue
        self.dispatcher = dispatcher
        self.configuration = configuration
        self.hasTimer = hasTimer
    }

    /// Returns after the command queue is closed and all connections are closed.
    func run() {
        while true {
            let (commands, isClosing) = commandQueue.takeCommands()
            guard !isClosing else { break }
            for command in commands { handle(command) }
            runTransfers()
            wait(until: hasTimer ? dispatcher.expire() : nil)
        }
        for id in Array(transfers.keys) { remove(id) }
    }

    private func handle(_ command: CurlCommandQueue.Command) {
        switch command {
        case .connect(let id, let fetch, let request, let address, let limits):
            do throws(FetchError) {
                let transfer = try CurlTransfer(request, at: address, limits: limits, configuration: configuration)
                try start(transfer, id: id, of: fetch)
            } catch {
                dispatcher.transferEnded(id, of: fetch, result: .refused(error))
            }
        case .disconnect(let id): remove(id)
        }
    }

    private func start(_ transfer: CurlTransfer, id: TransferID, of fetch: FetchID) throws(FetchError) {
        let code = curl_multi_add_handle(multi, transfer.handle)
        guard code == CURLM_OK else { throw .transport(.local("curl multi error \(code.rawValue)")) }
        transfers[id] = Running(fetch: fetch, transfer: transfer)
        owners[transfer.handle] = id
    }

    /// Lets libcurl use all ready sockets, and collects the finished attempts.
    private func runTransfers() {
        var running: Int32 = 0
        let code = curl_multi_perform(multi, &running)
        guard code == CURLM_OK else { return failAll(code) }
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle,
                let id = owners[handle], let ended = transfers[id]
            else { continue }
            let result = ended.transfer.result(sts_curl_message_result(message))
            remove(id)
            dispatcher.transferEnded(id, of: ended.fetch, result: result)
        }
    }

    /// Waits for a socket, a timer of libcurl, the deadline or the command queue.
    private func wait(until deadline: FetchSchedule.Instant?) {
        var timeout = Self.idleTimeout
        if let deadline { timeout = min(timeout, max(1, (deadline - .now).millisecondsRoundedUp)) }
        let code = curl_multi_poll(multi, nil, 0, timeout, nil)
        if code != CURLM_OK { failAll(code) }
    }

    /// libcurl itself failed (no memory, too many file descriptors for poll). Ends all transfers of this thread, so that no
    /// fetch waits for ever.
    private func failAll(_ code: CURLMcode) {
        let failure = FetchError.transport(.local(CurlErrorMessage.multiError(code)))
        for (id, running) in transfers.sorted(by: { $0.key.number < $1.key.number }) {
            remove(id)
            dispatcher.transferEnded(id, of: running.fetch, result: .refused(failure))
        }
    }

    /// Closes the connection of the transfer and frees it.
    private func remove(_ id: TransferID) {
        guard let transfer = transfers.removeValue(forKey: id)?.transfer else { return }
        owners[transfer.handle] = nil
        // The transfer frees its handle at the end of its life, which must not be before curl_multi_remove_handle.
        withExtendedLifetime(transfer) { _ = curl_multi_remove_handle(multi, transfer.handle) }
    }
}

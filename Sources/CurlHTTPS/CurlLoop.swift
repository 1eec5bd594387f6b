import CCurl
import Discovery

/// Drives libcurl's multi handle: takes commands, carries out what the schedule says, waits for sockets.
///
/// Concurrency: made, run and destroyed on one thread (see `CurlFetcher`), and not Sendable. It sleeps in
/// curl_multi_poll, from which the mailbox wakes it.
/// Fails by: settling each fetch, whatever happens; `run` returns only when none is left.
/// Not here: who is dialled when (FetchSchedule), what an attempt is (CurlTransfer).
final class CurlLoop {
    private let multi: UnsafeMutableRawPointer
    private let mailbox: CurlMailbox
    private let configuration: CurlFetcherConfiguration
    private let onLoadChange: @Sendable (FetchLoadChange) -> Void
    private var schedule: FetchSchedule
    /// What `onLoadChange` was last called with, added up.
    private var load = (inFlight: 0, waiting: 0)
    /// Each continuation is taken out as it is resumed: once.
    private var replies: [FetchID: CurlMailbox.Reply] = [:]
    private var transfers: [FetchID: CurlTransfer] = [:]
    private var owners: [UnsafeMutableRawPointer: FetchID] = [:]

    /// How long to sleep with nothing to do. Any wake-up ends it earlier.
    private static let idle: Int32 = 600_000

    init(
        multi: UnsafeMutableRawPointer, mailbox: CurlMailbox, configuration: CurlFetcherConfiguration,
        onLoadChange: @escaping @Sendable (FetchLoadChange) -> Void
    ) {
        self.multi = multi
        self.mailbox = mailbox
        self.configuration = configuration
        self.onLoadChange = onLoadChange
        schedule = FetchSchedule(
            timeout: configuration.timeout,
            limits: FetchLimits(slots: configuration.maximumInFlight, waiting: configuration.maximumWaiting))
    }

    /// Until the mailbox is closed; then ends what is in flight.
    func run() {
        while true {
            let (commands, isClosing) = mailbox.collect()
            for command in commands { obey(command) }
            guard !isClosing else { break }
            carryOut(schedule.expire(now: .now))
            move()
            reportLoad()
            sleep()
        }
        carryOut(schedule.abandon(.cancelled))
        reportLoad()
    }

    private func reportLoad() {
        let now = (inFlight: schedule.inFlight, waiting: schedule.waitingCount)
        guard now != load else { return }
        onLoadChange(FetchLoadChange(inFlight: now.inFlight - load.inFlight, waiting: now.waiting - load.waiting))
        load = now
    }

    private func obey(_ command: CurlMailbox.Command) {
        switch command {
        case .start(let id, let request, let start, let reply):
            replies[id] = reply
            carryOut(schedule.submit(id, request, start: start, now: .now))
        case .cancel(let id):
            carryOut(schedule.cancel(id, now: .now))
        }
    }

    /// Lets libcurl work on all sockets that are ready, and gathers the attempts that are over.
    private func move() {
        var running: Int32 = 0
        let code = curl_multi_perform(multi, &running)
        guard code == CURLM_OK else { return giveUp(code) }
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle,
                let id = owners[handle], let transfer = transfers[id]
            else { continue }
            let ending = transfer.ending(sts_curl_message_result(message))
            drop(id)
            carryOut(schedule.ended(id, ending, now: .now))
        }
    }

    /// Until a socket is ready, a timer of libcurl or the schedule has run down, or the mailbox wakes us.
    private func sleep() {
        var timeout = Self.idle
        if let deadline = schedule.nextDeadline {
            timeout = min(timeout, Int32(clamping: (deadline - .now).millisecondsRoundedUp))
        }
        let code = curl_multi_poll(multi, nil, 0, timeout, nil)
        if code != CURLM_OK { giveUp(code) }
    }

    /// libcurl itself is in trouble (no memory, too many descriptors for poll). Whoever waits must not wait for ever;
    /// with no fetch left the next one begins afresh.
    private func giveUp(_ code: CURLMcode) {
        let reason = curl_multi_strerror(code).map { CurlText.printable(String(cString: $0)) } ?? "curl multi error"
        carryOut(schedule.abandon(.transport(.local(reason))))
    }

    private func carryOut(_ actions: [FetchSchedule.Action]) {
        // A list and no recursion: with libcurl in trouble each failed dial makes room for the next.
        var pending = actions[...]
        while let action = pending.popFirst() {
            switch action {
            case .dial(let id, let request, let address, let limits):
                guard let failure = dial(id, request, address, limits) else { continue }
                pending += schedule.ended(id, .refused(failure), now: .now)
            case .hangUp(let id):
                drop(id)
            case .settle(let id, let result):
                replies.removeValue(forKey: id)?.resume(returning: result)
            }
        }
    }

    private func dial(
        _ id: FetchID, _ request: PolicyRequest, _ address: IPAddress, _ limits: AttemptLimits
    ) -> FetchFailure? {
        do throws(FetchFailure) {
            let transfer = try CurlTransfer(request, at: address, limits: limits, configuration)
            let code = curl_multi_add_handle(multi, transfer.handle)
            guard code == CURLM_OK else { throw .transport(.local("curl multi error \(code.rawValue)")) }
            transfers[id] = transfer
            owners[transfer.handle] = id
            return nil
        } catch {
            return error
        }
    }

    /// Closes the attempt's connection and frees it.
    private func drop(_ id: FetchID) {
        guard let transfer = transfers.removeValue(forKey: id) else { return }
        owners[transfer.handle] = nil
        // It frees its handle when it dies: not before libcurl has let go of it.
        withExtendedLifetime(transfer) { _ = curl_multi_remove_handle(multi, transfer.handle) }
    }
}

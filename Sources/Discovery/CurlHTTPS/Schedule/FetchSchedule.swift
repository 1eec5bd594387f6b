import Discovery
import HeapModule

/// One call of `fetch`. Numbers increase in the order of the calls.
struct FetchID: Hashable, Sendable {
    let number: UInt64
}

/// Decides when each fetch connects, and to which address.
///
/// A pure value: events go in, actions come out, and time is a parameter. Each submitted fetch finishes exactly once.
///
/// Four rules keep silent hosts from delaying other fetches:
///
/// 1. **Shares.** An attempt acquires its keys in order: the registrable domain, the address, the network (`FetchKey`). A
///    domain or network has 1/16 of the slots. An address has 4, and the share of a network after it has answered. An
///    attempt whose key is full waits for that key without a slot.
/// 2. **Turns.** If another fetch waits for its slot or for one of its keys, an attempt yields after 1 s. It becomes a retry,
///    continues with its next address and gets 4 s the next time. Without waiting fetches there is no interruption.
/// 3. **Classes.** Fetches for cached policies and first contacts get four slots for each slot that a retry gets. Retries
///    use at most half of the slots, so the other half becomes free once a second.
/// 4. **Rounds.** Among the fetches that wait for a slot, addresses take turns (start-time fair queueing). No address gets its
///    second attempt before all others have had their first, unless its last attempt was answered. Within a round the newest
///    and the oldest fetch take turns.
///
/// Consider a first contact whose domain no other fetch uses, and whose address answers or is used by no other fetch. It
/// connects at once while slots are free, and otherwise within one turn: all slots except those of retries become free in
/// 1 s, and it gets the first or second slot of its class. So if its host answers within 1 s, it has its policy within 2 s,
/// for any number of earlier fetches. Only later fetches to new addresses, more of them each second than there are slots, can
/// delay it further. They look the same as honest fetches.
///
/// Addresses of one host are tried one after another. An address that has its share of attempts comes last. Only a transport
/// error leads to the next address.
///
/// Each event takes O(log n). A fetch that finds a full key also looks at the attempts of that key (1/16 of the slots).
///
/// Limits: `FetchLimits.waiting` fetches wait. Beyond it, the oldest waiting fetch ends with "queue full".
/// Errors: A fetch without enough slot time ends with `FetchError.noSlot`, which is no result for the domain.
/// Security: An attacker chooses how many of their domains we look up. Their hosts may accept connections and stay silent.
/// Not here: sockets (CurlTransfer), continuations (FetchDispatcher).
struct FetchSchedule {
    typealias Instant = ContinuousClock.Instant

    enum Action: Equatable {
        case connect(FetchID, PolicyRequest, IPAddress, AttemptLimits)
        /// Close the connection of the fetch's attempt.
        case disconnect(FetchID)
        case finish(FetchID, Result<PolicyResponse, FetchError>)
    }

    struct Attempt {
        /// Distinguishes the attempts of a fetch.
        let serial: UInt64
        let start: Instant
        let turnEnd: Instant
        let limits: AttemptLimits
    }

    struct Fetch {
        let request: PolicyRequest
        let domain: RegistrableDomain
        let deadline: Instant
        var fetchClass: FetchClass
        /// The remaining addresses, beginning with the current or next one. Never empty.
        var addresses: [IPAddress]
        /// The keys of the first address.
        var keys: [FetchKey]
        /// The earliest round of its next attempt.
        var round = 0
        /// The number of acquired keys.
        var acquiredKeys = 0
        var attempt: Attempt?
        /// The duration of its attempts without the current one.
        var attemptTime = Duration.zero
        var hadAttempt = false
        /// Whether it is in `deadlines`.
        var hasTimer = false
        /// The last error. An error of a server takes precedence over an error of this host.
        var failure: TransportError?
    }

    /// A key in use, or used lately.
    struct KeyState {
        /// The fetches that have the key. Each has an attempt, or waits for its next key or a slot.
        var holders: Set<FetchID> = []
        var queue = FetchQueue()
        /// Whether the last attempt was answered; addresses only.
        var isProven = false
        /// The round of the last attempt by class; addresses only.
        var lastRounds = [Int](repeating: -1, count: FetchClass.allCases.count)
    }

    struct Timer: Comparable {
        let at: Instant
        let id: FetchID
        let serial: UInt64

        static func < (left: Timer, right: Timer) -> Bool { left.at < right.at }
    }

    let timeout: Duration
    let limits: FetchLimits
    var fetches: [FetchID: Fetch] = [:]
    var keys: [FetchKey: KeyState] = [:]
    /// The fetches that have all their keys.
    var slotQueue = FetchQueue()
    /// The current round by class.
    var rounds = [Int](repeating: 0, count: FetchClass.allCases.count)
    var inFlight = 0
    var retriesInFlight = 0
    var lastSerial: UInt64 = 0
    /// Attempts within their turn. This heap and the next two may contain obsolete entries.
    var turns = Heap<Timer>()
    /// Attempts after their turn: first contacts and cached policies, then retries.
    var overdue = [Heap<Timer>](repeating: Heap(), count: 2)
    /// Deadlines of fetches that wait or have waited.
    var deadlines = Heap<Timer>()
    /// The fetches that must acquire their next key.
    var acquiring: [FetchID] = []
    /// The actions of the current event.
    var actions: [Action] = []

    /// - Parameter timeout: The limit for one fetch, from the call to its end.
    init(timeout: Duration, limits: FetchLimits) {
        self.timeout = timeout
        self.limits = limits
    }

    var waitingCount: Int { fetches.count - inFlight }

    /// The time of the next `expire`; `nil` if none is needed. Running attempts have their own timers.
    var nextDeadline: Instant? {
        guard waitingCount > 0 else { return nil }
        return [turns.min?.at, deadlines.min?.at].compactMap(\.self).min()
    }

    /// - Parameter start: The start of the time limit.
    mutating func submit(_ id: FetchID, request: PolicyRequest, start: Instant, now: Instant) -> [Action] {
        guard let first = request.addresses.first else {
            return [.finish(id, .failure(.transport(.local("no address"))))]
        }
        let (domain, deadline) = (RegistrableDomain(containing: request.domain), start + timeout)
        guard now < deadline else { return [.finish(id, .failure(.noSlot(.noFreeSlot(within: timeout))))] }
        fetches[id] = Fetch(
            request: request, domain: domain, deadline: deadline, fetchClass: FetchClass(request.purpose),
            addresses: request.addresses, keys: FetchKey.keys(of: domain, at: first))
        chooseAddress(id)
        acquiring.append(id)
        return completeEvent(now: now)
    }

    /// Ends the fetch, because its task was cancelled. It has no effect on a finished fetch.
    mutating func cancel(_ id: FetchID, now: Instant) -> [Action] {
        guard fetches[id] != nil else { return [] }
        stop(id, now: now)
        finish(id, result: .failure(.cancelled))
        return completeEvent(now: now)
    }

    mutating func attemptEnded(_ id: FetchID, result: AttemptResult, now: Instant) -> [Action] {
        guard let attempt = fetches[id]?.attempt else { return [] }
        switch result {
        case .answered(let response):
            setProven(id, isProven: true)
            release(id, now: now)
            finish(id, result: .success(response))
        case .refused(let failure):
            if !failure.isLocal { setProven(id, isProven: true) }
            release(id, now: now)
            finish(id, result: .failure(failure))
        case .failed(let failure):
            tryNextAddress(id, after: failure, now: now)
        case .timedOut:
            tryNextAddress(id, after: .timedOut(after: attempt.limits.connect), now: now)
        }
        return completeEvent(now: now)
    }

    /// Ends turns, and fetches that have waited until their deadline.
    mutating func expire(now: Instant) -> [Action] { completeEvent(now: now) }

    mutating func failAll(with failure: FetchError) -> [Action] {
        let all = fetches
        self = FetchSchedule(timeout: timeout, limits: limits)
        return all.sorted { $0.key.number < $1.key.number }.flatMap { id, fetch in
            (fetch.attempt == nil ? [] : [.disconnect(id)]) + [Action.finish(id, .failure(failure))]
        }
    }

    // MARK: The end of an attempt

    /// Records whether the address of the fetch answers. If it does, the fetches of the address need not wait for a later
    /// round.
    mutating func setProven(_ id: FetchID, isProven: Bool) {
        guard let address = fetches[id]?.addresses.first, let key = keys[.address(address)] else { return }
        keys[.address(address)]?.isProven = isProven
        if isProven, !key.isProven { key.holders.forEach { moveForward($0) } }
    }

    private mutating func tryNextAddress(_ id: FetchID, after failure: TransportError, now: Instant) {
        setProven(id, isProven: false)
        release(id, now: now)
        guard var fetch = fetches[id] else { return }
        if !failure.isLocal || fetch.failure == nil { fetch.failure = failure }
        fetch.addresses.removeFirst()
        var isTimeOut = false
        if case .timedOut = failure { isTimeOut = true }
        if now >= fetch.deadline, isTimeOut || !fetch.addresses.isEmpty {
            finish(id, result: .failure(fetch.errorAtDeadline(timeout: timeout)))
        } else if fetch.addresses.isEmpty {
            finish(id, result: .failure(.transport(fetch.failure ?? failure)))
        } else {
            fetches[id] = fetch
            chooseAddress(id)
            acquiring.append(id)
        }
    }

    mutating func finish(_ id: FetchID, result: Result<PolicyResponse, FetchError>) {
        fetches[id] = nil
        actions.append(.finish(id, result))
    }
}

extension FetchSchedule.Fetch {
    /// The error at the deadline. It blames the host if the fetch had attempts for at least half of its time.
    func errorAtDeadline(timeout: Duration) -> FetchError {
        if attemptTime * 2 >= timeout { return .transport(.timedOut(after: timeout)) }
        return .noSlot(hadAttempt ? .interrupted(within: timeout) : .noFreeSlot(within: timeout))
    }
}

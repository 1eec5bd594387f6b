import Discovery
import HeapModule

/// One call of `fetch`. Numbers rise in the order of the calls.
struct FetchID: Hashable, Sendable {
    let number: UInt64
}

/// Which fetch is attempted when, and at which address.
///
/// A pure value: events in, actions out, time is a parameter. Each submitted fetch is settled exactly once.
///
/// A stranger chooses how many of their domains we look up, and may let all their hosts accept connections and stay
/// silent. Four rules keep such hosts from the fetches of others:
///
/// 1. **Shares.** An attempt takes its keys in order: the registrable domain, the address, the network (`FetchKey`). A
///    domain or network has 1/16 of the slots, an address 4, and a network's share once it has answered. An attempt whose
///    key is full waits for that key, and takes no slot meanwhile.
/// 2. **Turns.** While another fetch waits for its slot or for one of its keys, an attempt gives way after 1 s. It is
///    then a retry: it goes on to its next address and has 4 s the next time. Without waiters nothing is interrupted.
/// 3. **Classes.** Fetches for cached policies and first contacts get four slots for each one that a retry gets. Retries
///    take at most half of the slots, so the other half changes hands once a second.
/// 4. **Rounds.** Among those that wait for a slot, addresses take turns (start-time fair queueing): no address gets its
///    second attempt before all others got their first, unless its last attempt was answered. Within a round the newest and
///    the oldest fetch take turns.
///
/// It follows that a first contact whose address answers, or is used by no other fetch, and whose domain none uses is
/// dialled at once while slots are free, and else within one turn: all slots that are not a retry's change hands in 1 s,
/// and it has the first or second of those that its class gets. So it has its policy within 2 s if its host answers within
/// 1 s, however many fetches wait, from however few or many addresses, as long as these came before it. Fetches that come
/// after it and name fresh addresses, more of them each second than there are slots, can delay it further; nothing local
/// can tell those from it.
///
/// Addresses of one host are tried one after another, an address that has its share of attempts later than others; only a
/// transport failure leads to the next.
/// Limits: `FetchLimits.waiting` fetches wait; beyond, the one that has waited longest ends as "queue full".
/// Cost: O(log n) for each event, and for a fetch that meets a full key a look at that key's attempts (1/16 of the slots).
/// Errors: a fetch that got no slot, or too little of one, ends with `FetchFailure.noSlot`, which says nothing about the
/// domain.
/// Not here: sockets (CurlTransfer), continuations (CurlLoop).
struct FetchSchedule {
    typealias Instant = ContinuousClock.Instant

    enum Action: Equatable {
        case dial(FetchID, PolicyRequest, IPAddress, AttemptLimits)
        /// Close the connection of this fetch's attempt.
        case hangUp(FetchID)
        case settle(FetchID, Result<PolicyResponse, FetchFailure>)
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
        var kind: FetchClass
        /// Those that are left, the next or current one first; never empty.
        var addresses: [IPAddress]
        /// Of the first address.
        var keys: [FetchKey]
        /// The first round in which it may have its next attempt.
        var round = 0
        /// How many of its keys it has.
        var held = 0
        var attempt: Attempt?
        /// Its attempts together, without the current one.
        var dialledFor = Duration.zero
        var wasDialled = false
        /// It is in `deadlines`.
        var hasTimer = false
        /// What an address's server did. It goes before what this host failed at.
        var failure: TransportFailure?
    }

    /// One key that is in use, or was lately.
    struct KeyState {
        /// Fetches that have it: attempted, or waiting for what comes next.
        var holders: Set<FetchID> = []
        var line = FetchLine()
        /// Of an address: its last attempt was answered.
        var isProven = false
        /// Of an address: the round of its last attempt, by class.
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
    /// Those that have all their keys.
    var slotLine = FetchLine()
    /// The round that is being dealt with, by class.
    var rounds = [Int](repeating: 0, count: FetchClass.allCases.count)
    var inFlight = 0
    var retriesInFlight = 0
    var lastSerial: UInt64 = 0
    /// Attempts whose turn is not over. This and the next two may hold entries that are out of date.
    var turns = Heap<Timer>()
    /// Attempts whose turn is over, those of retries apart.
    var overdue = [Heap<Timer>](repeating: Heap(), count: 2)
    /// Deadlines of fetches that wait, or have waited.
    var deadlines = Heap<Timer>()
    /// Fetches that are to take their next key, and what the current event leads to.
    var moving: [FetchID] = []
    var actions: [Action] = []

    /// - Parameter timeout: of one fetch, from the call to its end.
    init(timeout: Duration, limits: FetchLimits) {
        self.timeout = timeout
        self.limits = limits
    }

    var waitingCount: Int { fetches.count - inFlight }

    /// When `expire` has something to do next. Attempts in flight know their own time.
    var nextDeadline: Instant? {
        guard waitingCount > 0 else { return nil }
        return [turns.min?.at, deadlines.min?.at].compactMap(\.self).min()
    }

    /// A call whose time began at `start`.
    mutating func submit(_ id: FetchID, _ request: PolicyRequest, start: Instant, now: Instant) -> [Action] {
        guard let first = request.addresses.first else {
            return [.settle(id, .failure(.transport(.local("no address to dial"))))]
        }
        let (domain, deadline) = (RegistrableDomain(containing: request.domain), start + timeout)
        guard now < deadline else { return [.settle(id, .failure(.noSlot(.notDialled(within: timeout))))] }
        fetches[id] = Fetch(
            request: request, domain: domain, deadline: deadline, kind: FetchClass(request.purpose),
            addresses: request.addresses, keys: FetchKey.keys(of: domain, at: first))
        chooseAddress(id)
        moving.append(id)
        return finish(now)
    }

    /// The caller has gone. Nothing happens when the fetch is over already.
    mutating func cancel(_ id: FetchID, now: Instant) -> [Action] {
        guard fetches[id] != nil else { return [] }
        stop(id, now)
        end(id, .failure(.cancelled))
        return finish(now)
    }

    /// An attempt is over.
    mutating func ended(_ id: FetchID, _ ending: AttemptEnding, now: Instant) -> [Action] {
        guard let attempt = fetches[id]?.attempt else { return [] }
        switch ending {
        case .answered(let response):
            prove(id, true)
            leave(id, now)
            end(id, .success(response))
        case .refused(let failure):
            if !failure.isLocal { prove(id, true) }
            leave(id, now)
            end(id, .failure(failure))
        case .failed(let failure):
            tryNextAddress(id, after: failure, now)
        case .timedOut:
            tryNextAddress(id, after: .timedOut(after: attempt.limits.connect), now)
        }
        return finish(now)
    }

    /// Ends turns and those that waited until their time was over.
    mutating func expire(now: Instant) -> [Action] { finish(now) }

    /// Ends all.
    mutating func abandon(_ failure: FetchFailure) -> [Action] {
        let all = fetches
        self = FetchSchedule(timeout: timeout, limits: limits)
        return all.sorted { $0.key.number < $1.key.number }.flatMap { id, fetch in
            (fetch.attempt == nil ? [] : [.hangUp(id)]) + [Action.settle(id, .failure(failure))]
        }
    }

    // MARK: The end of an attempt

    /// Remembers whether the fetch's address answers. If it does, its fetches that wait for a slot need not wait for a later
    /// round.
    mutating func prove(_ id: FetchID, _ isProven: Bool) {
        guard let address = fetches[id]?.addresses.first, let key = keys[.address(address)] else { return }
        keys[.address(address)]?.isProven = isProven
        if isProven, !key.isProven { key.holders.forEach { bringForward($0) } }
    }

    private mutating func tryNextAddress(_ id: FetchID, after failure: TransportFailure, _ now: Instant) {
        prove(id, false)
        leave(id, now)
        guard var fetch = fetches[id] else { return }
        if !failure.isLocal || fetch.failure == nil { fetch.failure = failure }
        fetch.addresses.removeFirst()
        var isTimeOut = false
        if case .timedOut = failure { isTimeOut = true }
        if now >= fetch.deadline, isTimeOut || !fetch.addresses.isEmpty {
            end(id, .failure(fetch.failureAtDeadline(timeout)))
        } else if fetch.addresses.isEmpty {
            end(id, .failure(.transport(fetch.failure ?? failure)))
        } else {
            fetches[id] = fetch
            chooseAddress(id)
            moving.append(id)
        }
    }

    mutating func end(_ id: FetchID, _ result: Result<PolicyResponse, FetchFailure>) {
        fetches[id] = nil
        actions.append(.settle(id, result))
    }
}

extension FetchSchedule.Fetch {
    /// Why there is no response when the fetch's time is over: its host, if it was dialled for at least half of it.
    func failureAtDeadline(_ timeout: Duration) -> FetchFailure {
        if dialledFor * 2 >= timeout { return .transport(.timedOut(after: timeout)) }
        return .noSlot(wasDialled ? .interrupted(within: timeout) : .notDialled(within: timeout))
    }
}

import Discovery

/// One call of `fetch`.
struct FetchID: Hashable, Sendable {
    let number: UInt64
}

/// How one attempt at one address ended.
enum AttemptEnding: Equatable, Sendable {
    /// A policy host answered, and well.
    case answered(PolicyResponse)
    /// A verdict that another address would not mend: a certificate, an HTTP answer, trouble of our own.
    case refused(FetchFailure)
    /// No HTTP answer from this address.
    case failed(TransportFailure)
    /// The attempt's time was over.
    case timedOut
}

/// The times of one attempt, counted from its start.
struct AttemptLimits: Equatable, Sendable {
    /// Until TCP and TLS are set up.
    let connect: Duration
    /// Until the last octet.
    let total: Duration

    /// A share of what remains for each address that is left, within 1 s (a slow handshake over a poor line) and 5 s
    /// (Postfix waits); the last address gets all.
    static func share(of remaining: Duration, addressesLeft: Int) -> AttemptLimits {
        guard addressesLeft > 1 else { return AttemptLimits(connect: remaining, total: remaining) }
        let share = min(max(remaining / addressesLeft, .seconds(1)), .seconds(5))
        return AttemptLimits(connect: min(share, remaining), total: remaining)
    }
}

/// Which fetch runs, which waits, which address is next, and when it is over.
///
/// A pure value: events in, actions out, time is a parameter. Each submitted fetch is settled exactly once.
/// Addresses are tried in their order, one after another; only transport failures lead to the next.
/// Not here: sockets (CurlTransfer), continuations (CurlLoop).
struct FetchSchedule {
    typealias Instant = ContinuousClock.Instant

    enum Action: Equatable {
        case dial(FetchID, PolicyRequest, IPAddress, AttemptLimits)
        /// Forget the attempt of this fetch.
        case hangUp(FetchID)
        case settle(FetchID, Result<PolicyResponse, FetchFailure>)
    }

    private struct Fetch {
        let request: PolicyRequest
        let deadline: Instant
        /// How many addresses were dialled; 0 while it waits for a place.
        var dialled = 0
    }

    private let timeout: Duration
    private let maximumInFlight: Int
    private var fetches: [FetchID: Fetch] = [:]
    private var inFlight = 0
    /// In the order of the calls, so of the deadlines too. Holds the cancelled ones until they come to the front.
    private var waiting: [FetchID] = []
    private var firstWaiting = 0

    init(timeout: Duration, maximumInFlight: Int) {
        self.timeout = timeout
        self.maximumInFlight = max(1, maximumInFlight)
    }

    /// When `expire` has something to do next. Attempts in flight know their own time.
    var nextDeadline: Instant? {
        waiting[firstWaiting...].lazy.compactMap { fetches[$0]?.deadline }.first
    }

    /// A call whose time began at `start`.
    mutating func submit(_ id: FetchID, _ request: PolicyRequest, start: Instant, now: Instant) -> [Action] {
        guard !request.addresses.isEmpty else {
            return [.settle(id, .failure(.transport(.local("no address to dial"))))]
        }
        fetches[id] = Fetch(request: request, deadline: start + timeout)
        waiting.append(id)
        return admit(now)
    }

    /// The caller has gone. Nothing happens when the fetch is over already.
    mutating func cancel(_ id: FetchID, now: Instant) -> [Action] {
        guard let fetch = fetches.removeValue(forKey: id) else { return [] }
        let settle = Action.settle(id, .failure(.cancelled))
        guard fetch.dialled > 0 else { return [settle] }
        inFlight -= 1
        return [.hangUp(id), settle] + admit(now)
    }

    /// An attempt is over.
    mutating func ended(_ id: FetchID, _ ending: AttemptEnding, now: Instant) -> [Action] {
        guard var fetch = fetches[id] else { return [] }
        let isLast = fetch.dialled == fetch.request.addresses.count
        let result: Result<PolicyResponse, FetchFailure>
        switch ending {
        case .answered(let response):
            result = .success(response)
        case .refused(let failure):
            result = .failure(failure)
        case .failed(let failure) where isLast:
            result = .failure(.transport(failure))
        case .timedOut where isLast:
            result = .failure(.transport(.timedOut(after: timeout)))
        case .failed, .timedOut:
            guard now < fetch.deadline else {
                result = .failure(.transport(.timedOut(after: timeout)))
                break
            }
            let dial = Self.dialNext(id, &fetch, now)
            fetches[id] = fetch
            return [dial]
        }
        fetches[id] = nil
        inFlight -= 1
        return [.settle(id, result)] + admit(now)
    }

    /// Ends those that waited for a place until their time was over.
    mutating func expire(now: Instant) -> [Action] { admit(now) }

    /// Ends all.
    mutating func abandon(_ failure: FetchFailure) -> [Action] {
        let all = fetches
        fetches = [:]
        waiting = []
        firstWaiting = 0
        inFlight = 0
        return all.sorted { $0.key.number < $1.key.number }.flatMap { id, fetch in
            (fetch.dialled > 0 ? [.hangUp(id)] : []) + [Action.settle(id, .failure(failure))]
        }
    }

    /// Drops the expired from the front of the queue and fills the free places from it.
    private mutating func admit(_ now: Instant) -> [Action] {
        var actions: [Action] = []
        while firstWaiting < waiting.count {
            let id = waiting[firstWaiting]
            if var fetch = fetches[id] {
                if now >= fetch.deadline {
                    fetches[id] = nil
                    actions.append(.settle(id, .failure(.transport(.timedOut(after: timeout)))))
                } else if inFlight < maximumInFlight {
                    inFlight += 1
                    actions.append(Self.dialNext(id, &fetch, now))
                    fetches[id] = fetch
                } else {
                    break
                }
            }
            firstWaiting += 1
        }
        // The used front is cut off now and then, so that the array does not grow for ever.
        if firstWaiting > 64, firstWaiting * 2 > waiting.count {
            waiting.removeFirst(firstWaiting)
            firstWaiting = 0
        }
        return actions
    }

    private static func dialNext(_ id: FetchID, _ fetch: inout Fetch, _ now: Instant) -> Action {
        let addresses = fetch.request.addresses
        let limits = AttemptLimits.share(
            of: fetch.deadline - now, addressesLeft: addresses.count - fetch.dialled)
        fetch.dialled += 1
        return .dial(id, fetch.request, addresses[fetch.dialled - 1], limits)
    }
}

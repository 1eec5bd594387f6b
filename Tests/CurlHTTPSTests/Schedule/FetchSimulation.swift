import Discovery
import HeapModule

@testable import CurlHTTPS

/// A schedule in virtual time, with hosts that answer after a while or never.
struct FetchSimulation {
    enum Host {
        /// Accepts and stays silent. The attempt ends at its connect limit.
        case silent
        case answers(after: Duration)
        case refuses
    }

    private struct Event: Comparable {
        let at: ContinuousClock.Instant
        let id: FetchID
        let attempt: Int
        let result: AttemptResult

        static func < (left: Event, right: Event) -> Bool { left.at < right.at }
    }

    struct Completion {
        let after: Duration
        let result: Result<PolicyResponse, FetchError>

        var isAnswer: Bool { if case .success = result { true } else { false } }
    }

    private(set) var schedule: FetchSchedule
    let start = ContinuousClock.now
    private(set) var now: ContinuousClock.Instant
    private let host: (IPAddress) -> Host
    private var events = Heap<Event>()
    private var calls: [FetchID: ContinuousClock.Instant] = [:]
    private var running: [FetchID: (request: PolicyRequest, address: IPAddress, attempt: Int)] = [:]
    private var attempts = 0
    private(set) var completions: [FetchID: Completion] = [:]
    /// Violations of the rules.
    private(set) var errors: [String] = []

    init(slots: Int, waiting: Int = 100_000, host: @escaping (IPAddress) -> Host) {
        schedule = FetchSchedule(
            timeout: .seconds(30), limits: FetchLimits(slots: slots, waiting: waiting))
        now = start
        self.host = host
    }

    @discardableResult
    mutating func submit(_ domain: String, at addresses: [IPAddress], purpose: FetchPurpose = .firstContact)
        -> FetchID
    {
        let id = FetchID(number: UInt64(calls.count + 1))
        calls[id] = now
        let request = PolicyRequest(
            host: "mta-sts.\(domain)", url: "https://mta-sts.\(domain)/", addresses: addresses, domain: domain,
            purpose: purpose)
        perform(schedule.submit(id, request: request, start: now, now: now))
        return id
    }

    mutating func cancel(_ id: FetchID) { perform(schedule.cancel(id, now: now)) }

    /// Advances the time.
    mutating func run(until end: ContinuousClock.Instant) {
        while let next = [schedule.nextDeadline, events.min?.at].compactMap(\.self).min(), next <= end {
            now = max(now, next)
            if let event = events.min, event.at <= now {
                _ = events.popMin()
                guard running[event.id]?.attempt == event.attempt else { continue }
                running[event.id] = nil
                perform(schedule.attemptEnded(event.id, result: event.result, now: now))
            } else {
                perform(schedule.expire(now: now))
                if let deadline = schedule.nextDeadline, deadline <= now { errors.append("no progress at a deadline") }
            }
            if errors.count > 10 { return }
        }
        now = end
    }

    mutating func run(for span: Duration) { run(until: now + span) }

    private mutating func perform(_ actions: [FetchSchedule.Action]) {
        for action in actions {
            switch action {
            case .connect(let id, let request, let address, let limits):
                startAttempt(id, request: request, address: address, limits: limits)
            case .disconnect(let id):
                if running.removeValue(forKey: id) == nil { errors.append("\(id) disconnected without an attempt") }
            case .finish(let id, let result):
                if running[id] != nil { errors.append("\(id) finished during an attempt") }
                if completions[id] != nil { errors.append("\(id) finished twice") }
                completions[id] = Completion(after: now - (calls[id] ?? now), result: result)
            }
        }
    }

    private mutating func startAttempt(
        _ id: FetchID, request: PolicyRequest, address: IPAddress, limits: AttemptLimits
    ) {
        if running[id] != nil { errors.append("\(id) connected twice") }
        attempts += 1
        running[id] = (request, address, attempts)
        if running.count > schedule.limits.slots { errors.append("more attempts than slots") }
        let (delay, result): (Duration, AttemptResult) =
            switch host(address) {
            case .silent: (limits.connect, .timedOut)
            case .refuses: (.milliseconds(1), .failed(.unreachable("refused")))
            case .answers(let delay):
                (
                    delay,
                    .answered(
                        PolicyResponse(
                            body: [], contentTypes: [], address: address, httpVersion: "HTTP/2",
                            tls: TLSSummary(issuer: nil, notAfter: nil)))
                )
            }
        events.insert(Event(at: now + delay, id: id, attempt: attempts, result: result))
    }

    /// The longest wait of the open fetches.
    var longestWait: Duration {
        calls.filter { completions[$0.key] == nil }.values.map { now - $0 }.max() ?? .zero
    }

    /// The most attempts at once to one registrable domain, one address and one network.
    var crowds: (domain: Int, address: Int, network: Int) {
        func most(_ keys: [FetchKey]) -> Int {
            Dictionary(keys.map { ($0, 1) }, uniquingKeysWith: +).values.max() ?? 0
        }
        let keys = running.values.map {
            FetchKey.keys(of: RegistrableDomain(containing: $0.request.domain), at: $0.address)
        }
        return (most(keys.map { $0[0] }), most(keys.map { $0[1] }), most(keys.map { $0[2] }))
    }
}

/// A flood of domains whose hosts accept connections and stay silent.
enum SilentFlood: CaseIterable, Sendable {
    case oneAddress, thousandAddresses, wildcardZone
    /// Addresses of a thousand networks and a thousand domains.
    case sharedSuffix

    func domain(_ number: Int) -> String {
        switch self {
        case .oneAddress, .thousandAddresses: "evil\(number).example"
        case .wildcardZone: "a\(number).evil.example"
        case .sharedSuffix: "evil\(number % 1_000).co.uk"
        }
    }

    /// All in 240.0.0.0/4.
    func addresses(_ number: Int) throws -> [IPAddress] {
        let host =
            switch self {
            case .oneAddress: 0
            case .thousandAddresses, .sharedSuffix: number % 1_000
            case .wildcardZone: number
            }
        return [IPAddress(octets: [240, UInt8(host >> 8), UInt8(host & 255), 1])].compactMap(\.self)
    }
}

extension IPAddress {
    /// Whether the address belongs to a `SilentFlood`.
    var isSilent: Bool { octets[0] >= 240 }
}

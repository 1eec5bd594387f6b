import Discovery
import HeapModule

@testable import CurlHTTPS

/// A schedule in virtual time, with hosts that answer after a while or never.
struct FetchSimulation {
    enum Host {
        /// Accepts and says nothing: the attempt ends when its time to connect is over.
        case silent
        case answers(after: Duration)
        case refuses
    }

    private struct Event: Comparable {
        let at: ContinuousClock.Instant
        let id: FetchID
        let attempt: Int
        let ending: AttemptEnding

        static func < (left: Event, right: Event) -> Bool { left.at < right.at }
    }

    struct Ending {
        let after: Duration
        let result: Result<PolicyResponse, FetchFailure>

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
    private(set) var endings: [FetchID: Ending] = [:]
    /// What must never happen.
    private(set) var faults: [String] = []

    init(slots: Int, waiting: Int = 100_000, host: @escaping (IPAddress) -> Host) {
        schedule = FetchSchedule(
            timeout: .seconds(30), limits: FetchLimits(slots: slots, waiting: waiting))
        now = start
        self.host = host
    }

    @discardableResult
    mutating func submit(_ domain: String, at addresses: [IPAddress], _ purpose: FetchPurpose = .firstContact)
        -> FetchID
    {
        let id = FetchID(number: UInt64(calls.count + 1))
        calls[id] = now
        let request = PolicyRequest(
            host: "mta-sts.\(domain)", url: "https://mta-sts.\(domain)/", addresses: addresses, domain: domain,
            purpose: purpose)
        carryOut(schedule.submit(id, request, start: now, now: now))
        return id
    }

    mutating func cancel(_ id: FetchID) { carryOut(schedule.cancel(id, now: now)) }

    /// Lets time pass.
    mutating func run(until end: ContinuousClock.Instant) {
        while let next = [schedule.nextDeadline, events.min?.at].compactMap(\.self).min(), next <= end {
            now = max(now, next)
            if let event = events.min, event.at <= now {
                _ = events.popMin()
                guard running[event.id]?.attempt == event.attempt else { continue }
                running[event.id] = nil
                carryOut(schedule.ended(event.id, event.ending, now: now))
            } else {
                carryOut(schedule.expire(now: now))
                if let deadline = schedule.nextDeadline, deadline <= now { faults.append("no progress at a deadline") }
            }
            if faults.count > 10 { return }
        }
        now = end
    }

    mutating func run(for span: Duration) { run(until: now + span) }

    private mutating func carryOut(_ actions: [FetchSchedule.Action]) {
        for action in actions {
            switch action {
            case .dial(let id, let request, let address, let limits): dial(id, request, address, limits)
            case .hangUp(let id):
                if running.removeValue(forKey: id) == nil { faults.append("\(id) hung up but not dialled") }
            case .settle(let id, let result):
                if running[id] != nil { faults.append("\(id) settled while dialled") }
                if endings[id] != nil { faults.append("\(id) settled twice") }
                endings[id] = Ending(after: now - (calls[id] ?? now), result: result)
            }
        }
    }

    private mutating func dial(
        _ id: FetchID, _ request: PolicyRequest, _ address: IPAddress, _ limits: AttemptLimits
    ) {
        if running[id] != nil { faults.append("\(id) dialled twice") }
        attempts += 1
        running[id] = (request, address, attempts)
        if running.count > schedule.limits.slots { faults.append("more attempts than slots") }
        let (delay, ending): (Duration, AttemptEnding) =
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
        events.insert(Event(at: now + delay, id: id, attempt: attempts, ending: ending))
    }

    /// Of the fetches that have not ended.
    var longestWait: Duration {
        calls.filter { endings[$0.key] == nil }.values.map { now - $0 }.max() ?? .zero
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
    /// One of `SilentFlood`'s.
    var isSilent: Bool { octets[0] >= 240 }
}

import Discovery
import Testing

@testable import CurlHTTPS

struct FetchScheduleTests {
    private let start = ContinuousClock.now
    private let request: PolicyRequest
    private let addresses: [IPAddress]
    private let response: PolicyResponse

    init() throws {
        addresses = try ["192.0.2.1", "198.51.100.2", "203.0.113.3"].map { try #require(IPAddress($0)) }
        request = PolicyRequest(
            host: "mta-sts.example.test", url: "https://mta-sts.example.test/", addresses: addresses,
            domain: "example.test")
        response = PolicyResponse(
            body: [], contentTypes: [], address: addresses[0], httpVersion: "HTTP/2",
            tls: TLSSummary(issuer: nil, notAfter: nil))
    }

    private func id(_ number: UInt64) -> FetchID { FetchID(number: number) }

    /// A connection to the address with this index, with limits in seconds.
    private func connect(_ number: UInt64, address index: Int, limit connect: Double, total: Double)
        -> FetchSchedule.Action
    {
        .connect(
            id(number), request, addresses[index], AttemptLimits(connect: .seconds(connect), total: .seconds(total)))
    }

    /// The same with a third of the total time as the connect limit.
    private func connect(_ number: UInt64, address index: Int, aThirdOf total: Int) -> FetchSchedule.Action {
        let total = Duration.seconds(total)
        return .connect(id(number), request, addresses[index], AttemptLimits(connect: total / 3, total: total))
    }

    private func failed(_ number: UInt64, error failure: FetchError) -> FetchSchedule.Action {
        .finish(id(number), .failure(failure))
    }

    private func schedule(slots: Int = 2, waiting: Int = 100) -> FetchSchedule {
        FetchSchedule(timeout: .seconds(12), limits: FetchLimits(slots: slots, waiting: waiting))
    }

    @Test(
        arguments: [
            (30, 2, 5), (8, 2, 4), (3, 10, 1), (30, 10, 3), (30, 1, 10), (8, 1, 8), (0.5, 1, 0.5), (0.5, 3, 0.5),
        ] as [(Double, Int, Double)])
    func `an attempt has a share between one and five seconds, the last one up to ten`(
        remaining: Double, left: Int, connect: Double
    ) {
        let limits = AttemptLimits.share(of: .seconds(remaining), addressesLeft: left)
        #expect(limits == AttemptLimits(connect: .seconds(connect), total: .seconds(remaining)))
    }

    @Test func `pitfall 34: addresses are tried in order, and the error of the last one counts`() {
        var schedule = schedule()
        #expect(
            schedule.submit(id(1), request: request, start: start, now: start) == [
                connect(1, address: 0, limit: 4, total: 12)
            ])
        let second = schedule.attemptEnded(id(1), result: .timedOut, now: start + .seconds(4))
        #expect(second == [connect(1, address: 1, limit: 4, total: 8)])
        let third = schedule.attemptEnded(id(1), result: .failed(.handshake("no")), now: start + .seconds(4))
        #expect(third == [connect(1, address: 2, limit: 8, total: 8)])
        let end = schedule.attemptEnded(id(1), result: .failed(.unreachable("refused")), now: start + .seconds(5))
        #expect(end == [failed(1, error: .transport(.unreachable("refused")))])
        #expect(schedule.attemptEnded(id(1), result: .timedOut, now: start).isEmpty)
    }

    @Test func `the error of a server takes precedence over a local error`() {
        var schedule = schedule()
        _ = schedule.submit(id(1), request: request, start: start, now: start)
        _ = schedule.attemptEnded(id(1), result: .failed(.unreachable("refused")), now: start)
        _ = schedule.attemptEnded(id(1), result: .failed(.local("no route")), now: start)
        let end = schedule.attemptEnded(id(1), result: .failed(.local("no route")), now: start)
        #expect(end == [failed(1, error: .transport(.unreachable("refused")))])
    }

    @Test func `no route to any address is a local error`() {
        var schedule = schedule()
        _ = schedule.submit(id(1), request: request, start: start, now: start)
        var end: [FetchSchedule.Action] = []
        for _ in addresses { end = schedule.attemptEnded(id(1), result: .failed(.local("no route")), now: start) }
        #expect(end == [failed(1, error: .transport(.local("no route")))])
    }

    @Test func `a response and a reader error are final`() {
        for (ending, result) in [
            (.answered(response), .success(response)),
            (.refused(.certificate(.expired)), .failure(.certificate(.expired))),
            (.refused(.http(.status(404))), .failure(.http(.status(404)))),
        ] as [(AttemptResult, Result<PolicyResponse, FetchError>)] {
            var schedule = schedule()
            _ = schedule.submit(id(1), request: request, start: start, now: start)
            #expect(schedule.attemptEnded(id(1), result: ending, now: start) == [.finish(id(1), result)])
        }
    }

    @Test func `there is no connection after the deadline`() {
        var schedule = schedule()
        _ = schedule.submit(id(1), request: request, start: start, now: start)
        let end = schedule.attemptEnded(id(1), result: .failed(.broken("reset")), now: start + .seconds(12))
        #expect(end == [failed(1, error: .transport(.timedOut(after: .seconds(12))))])
        #expect(
            schedule.submit(id(2), request: request, start: start, now: start + .seconds(12))
                == [failed(2, error: .noSlot(.noFreeSlot(within: .seconds(12))))])
    }

    @Test func `a single address has ten seconds for TCP and TLS`() {
        var schedule = FetchSchedule(timeout: .seconds(30), limits: FetchLimits(slots: 1, waiting: 1))
        let one = PolicyRequest(
            host: request.host, url: request.url, addresses: [addresses[0]], domain: request.domain)
        _ = schedule.submit(id(1), request: one, start: start, now: start)
        let end = schedule.attemptEnded(id(1), result: .timedOut, now: start + .seconds(10))
        #expect(end == [failed(1, error: .transport(.timedOut(after: .seconds(10))))])
    }

    @Test func `a fetch without a free slot makes no connection, and is a local error`() {
        var schedule = schedule(slots: 1)
        _ = schedule.submit(id(1), request: request, start: start, now: start)
        #expect(schedule.submit(id(2), request: request, start: start, now: start + .milliseconds(100)).isEmpty)
        // The first fetch has the slot until the deadlines of both.
        let end = schedule.expire(now: start + .seconds(12))
        #expect(end.contains(failed(2, error: .noSlot(.noFreeSlot(within: .seconds(12))))))
    }

    @Test
    func
        `a waiting fetch gets the slot of a silent host after one second, and that fetch continues with its next address`()
    {
        var schedule = schedule(slots: 1)
        _ = schedule.submit(id(1), request: request, start: start, now: start)
        #expect(schedule.submit(id(2), request: request, start: start, now: start).isEmpty)
        #expect(schedule.nextDeadline == start + .seconds(1))
        #expect(schedule.expire(now: start + .milliseconds(999)).isEmpty)
        #expect(
            schedule.expire(now: start + .seconds(1)) == [.disconnect(id(1)), connect(2, address: 1, aThirdOf: 11)])
        let next = schedule.attemptEnded(id(2), result: .answered(response), now: start + .seconds(2))
        #expect(next == [.finish(id(2), .success(response)), connect(1, address: 1, aThirdOf: 10)])
    }

    @Test func `without waiting fetches there is no interruption`() {
        var schedule = schedule(slots: 2)
        _ = schedule.submit(id(1), request: request, start: start, now: start)
        #expect(schedule.nextDeadline == nil)
        #expect(schedule.expire(now: start + .seconds(3)).isEmpty)
        // A later fetch need not wait.
        var other = schedule.submit(id(2), request: request, start: start + .seconds(3), now: start + .seconds(3))
        #expect(other.first == .disconnect(id(1)))
        other = schedule.cancel(id(2), now: start + .seconds(3))
        #expect(other.last == connect(1, address: 1, limit: 3, total: 9))
    }

    @Test func `a fetch that is interrupted and gets no other slot ends with a local error`() {
        var schedule = schedule(slots: 1)
        _ = schedule.submit(id(1), request: request, start: start, now: start)
        _ = schedule.submit(id(2), request: request, start: start, now: start)
        _ = schedule.expire(now: start + .seconds(1))
        let end = schedule.expire(now: start + .seconds(12))
        #expect(end.contains(failed(1, error: .noSlot(.interrupted(within: .seconds(12))))))
    }

    @Test func `a cancelled fetch releases its slot to the newest waiting fetch`() {
        var schedule = schedule(slots: 1)
        for number in 1...3 { _ = schedule.submit(id(UInt64(number)), request: request, start: start, now: start) }
        #expect(schedule.cancel(id(2), now: start) == [failed(2, error: .cancelled)])
        #expect(
            schedule.cancel(id(1), now: start) == [
                .disconnect(id(1)), failed(1, error: .cancelled), connect(3, address: 1, limit: 4, total: 12),
            ])
        #expect(schedule.cancel(id(1), now: start).isEmpty)
        #expect(schedule.cancel(id(9), now: start).isEmpty)
    }

    @Test func `beyond the limit of waiting fetches the oldest ends with queue full`() {
        var schedule = schedule(slots: 1, waiting: 2)
        for number in 1...3 { _ = schedule.submit(id(UInt64(number)), request: request, start: start, now: start) }
        let end = schedule.submit(id(4), request: request, start: start + .seconds(0.5), now: start + .seconds(0.5))
        #expect(end.count == 1)
        #expect([failed(2, error: .noSlot(.queueFull)), failed(3, error: .noSlot(.queueFull))].contains(end[0]))
        #expect(schedule.waitingCount == 2)
    }

    @Test func `failAll finishes every fetch`() {
        var schedule = schedule(slots: 1)
        for number in 1...2 { _ = schedule.submit(id(UInt64(number)), request: request, start: start, now: start) }
        #expect(
            schedule.failAll(with: .cancelled) == [
                .disconnect(id(1)), failed(1, error: .cancelled), failed(2, error: .cancelled),
            ])
        #expect(schedule.failAll(with: .cancelled).isEmpty)
        #expect(
            schedule.submit(id(3), request: request, start: start, now: start) == [
                connect(3, address: 0, limit: 4, total: 12)
            ])
    }
}

struct FetchKeyTests {
    @Test(arguments: [
        ("example.com", "example.com"), ("a.b.evil.example", "evil.example"), ("example.co.uk", "example.co.uk"),
        ("a.example.co.uk", "example.co.uk"), ("x.com.au", "x.com.au"), ("co.uk", "co.uk"), ("a.co.com", "co.com"),
        ("a.web.example", "web.example"), ("a.example.de", "example.de"), ("localhost", "localhost"),
    ])
    func `names of one owner are one registrable domain`(name: String, registrable: String) {
        #expect(RegistrableDomain(containing: name).name == registrable)
    }

    @Test func `addresses of one /24 or one /48 are one network`() throws {
        func network(_ text: String) throws -> FetchKey? {
            FetchKey.keys(of: RegistrableDomain(containing: "example.com"), at: try #require(IPAddress(text))).last
        }
        #expect(try network("192.0.2.1") == network("192.0.2.254"))
        #expect(try network("192.0.2.1") != network("192.0.3.1"))
        #expect(try network("2001:db8:1:2::1") == network("2001:db8:1:ffff::1"))
        #expect(try network("2001:db8:1::1") != network("2001:db8:2::1"))
    }

    @Test func `limits are at least one`() {
        let limits = FetchLimits(slots: 1, waiting: 0)
        #expect([limits.share, limits.perAddress, limits.retries] == [1, 1, 1])
        let many = FetchLimits(slots: 512, waiting: 0)
        #expect([many.share, many.perAddress, many.retries] == [32, 4, 256])
    }
}

struct FetchQueueTests {
    private func id(_ number: UInt64) -> FetchID { FetchID(number: number) }

    @Test func `within a round the newest and the oldest take turns`() {
        var queue = FetchQueue()
        for number in 1...5 as ClosedRange<UInt64> { queue.add(id(number), fetchClass: .firstContact) }
        var order: [UInt64] = []
        while let next = queue.next() { order.append(next.id.number) }
        #expect(order == [5, 1, 4, 2, 3])
    }

    @Test func `the lowest round goes first, then the newest`() {
        var queue = FetchQueue()
        for (number, round) in [(1, 1), (2, 0), (3, 1), (4, 0), (5, 2)] as [(UInt64, Int)] {
            queue.add(id(number), fetchClass: .firstContact, round: round)
        }
        queue.remove(id(3), fetchClass: .firstContact)
        var order: [UInt64] = []
        while let next = queue.next() { order.append(next.id.number) }
        #expect(order == [4, 2, 1, 5])
        #expect(queue.isEmpty)
    }

    @Test func `of nine, four are for cached policies, four for first contacts and one for a retry`() {
        var queue = FetchQueue()
        for number in 1...30 as ClosedRange<UInt64> {
            queue.add(id(number), fetchClass: .cachedPolicy)
            queue.add(id(100 + number), fetchClass: .firstContact)
            queue.add(id(200 + number), fetchClass: .retry)
        }
        var counts = [0, 0, 0]
        for _ in 1...18 { if let next = queue.next() { counts[Int(next.id.number / 100)] += 1 } }
        #expect(counts == [8, 8, 2])
    }

    @Test func `removed fetches never come back and use no memory`() {
        var queue = FetchQueue()
        for number in 1...1_000 as ClosedRange<UInt64> { queue.add(id(number), fetchClass: .retry) }
        for number in 2...1_000 as ClosedRange<UInt64> { queue.remove(id(number), fetchClass: .retry) }
        // Add and remove the same fetch again; it counts once.
        queue.remove(id(1), fetchClass: .retry)
        queue.add(id(1), fetchClass: .retry)
        #expect(queue.next()?.id == id(1))
        #expect(queue.next() == nil)
    }
}

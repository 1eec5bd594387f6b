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

    /// The dial of the address with this index, whose connect and total time are these numbers of seconds.
    private func dial(_ number: UInt64, _ index: Int, _ connect: Double, _ total: Double) -> FetchSchedule.Action {
        .dial(
            id(number), request, addresses[index], AttemptLimits(connect: .seconds(connect), total: .seconds(total)))
    }

    /// The same with a third of the total time to connect.
    private func dial(_ number: UInt64, _ index: Int, aThirdOf total: Int) -> FetchSchedule.Action {
        let total = Duration.seconds(total)
        return .dial(id(number), request, addresses[index], AttemptLimits(connect: total / 3, total: total))
    }

    private func failed(_ number: UInt64, _ failure: FetchFailure) -> FetchSchedule.Action {
        .settle(id(number), .failure(failure))
    }

    private func schedule(slots: Int = 2, waiting: Int = 100) -> FetchSchedule {
        FetchSchedule(timeout: .seconds(12), limits: FetchLimits(slots: slots, waiting: waiting))
    }

    @Test(
        arguments: [
            (30, 2, 5), (8, 2, 4), (3, 10, 1), (30, 10, 3), (30, 1, 10), (8, 1, 8), (0.5, 1, 0.5), (0.5, 3, 0.5),
        ] as [(Double, Int, Double)])
    func `an attempt has its share, between one and five seconds, the last one up to ten`(
        _ remaining: Double, _ left: Int, _ connect: Double
    ) {
        let limits = AttemptLimits.share(of: .seconds(remaining), addressesLeft: left)
        #expect(limits == AttemptLimits(connect: .seconds(connect), total: .seconds(remaining)))
    }

    @Test func `pitfall 34: addresses are tried in order, the last one's failure counts`() {
        var schedule = schedule()
        #expect(schedule.submit(id(1), request, start: start, now: start) == [dial(1, 0, 4, 12)])
        let second = schedule.ended(id(1), .timedOut, now: start + .seconds(4))
        #expect(second == [dial(1, 1, 4, 8)])
        let third = schedule.ended(id(1), .failed(.handshake("no")), now: start + .seconds(4))
        #expect(third == [dial(1, 2, 8, 8)])
        let end = schedule.ended(id(1), .failed(.unreachable("refused")), now: start + .seconds(5))
        #expect(end == [failed(1, .transport(.unreachable("refused")))])
        #expect(schedule.ended(id(1), .timedOut, now: start).isEmpty)
    }

    @Test func `what a server did counts more than what this host failed at`() {
        var schedule = schedule()
        _ = schedule.submit(id(1), request, start: start, now: start)
        _ = schedule.ended(id(1), .failed(.unreachable("refused")), now: start)
        _ = schedule.ended(id(1), .failed(.local("no route")), now: start)
        let end = schedule.ended(id(1), .failed(.local("no route")), now: start)
        #expect(end == [failed(1, .transport(.unreachable("refused")))])
    }

    @Test func `without a route to any address this host has failed`() {
        var schedule = schedule()
        _ = schedule.submit(id(1), request, start: start, now: start)
        var end: [FetchSchedule.Action] = []
        for _ in addresses { end = schedule.ended(id(1), .failed(.local("no route")), now: start) }
        #expect(end == [failed(1, .transport(.local("no route")))])
    }

    @Test func `an answer or a verdict is final`() {
        for (ending, result) in [
            (.answered(response), .success(response)),
            (.refused(.certificate(.expired)), .failure(.certificate(.expired))),
            (.refused(.http(.status(404))), .failure(.http(.status(404)))),
        ] as [(AttemptEnding, Result<PolicyResponse, FetchFailure>)] {
            var schedule = schedule()
            _ = schedule.submit(id(1), request, start: start, now: start)
            #expect(schedule.ended(id(1), ending, now: start) == [.settle(id(1), result)])
        }
    }

    @Test func `no address is dialled after the deadline`() {
        var schedule = schedule()
        _ = schedule.submit(id(1), request, start: start, now: start)
        let end = schedule.ended(id(1), .failed(.broken("reset")), now: start + .seconds(12))
        #expect(end == [failed(1, .transport(.timedOut(after: .seconds(12))))])
        #expect(
            schedule.submit(id(2), request, start: start, now: start + .seconds(12))
                == [failed(2, .noSlot(.notDialled(within: .seconds(12))))])
    }

    @Test func `the last address alone has ten seconds to accept and encrypt`() {
        var schedule = FetchSchedule(timeout: .seconds(30), limits: FetchLimits(slots: 1, waiting: 1))
        let one = PolicyRequest(
            host: request.host, url: request.url, addresses: [addresses[0]], domain: request.domain)
        _ = schedule.submit(id(1), one, start: start, now: start)
        let end = schedule.ended(id(1), .timedOut, now: start + .seconds(10))
        #expect(end == [failed(1, .transport(.timedOut(after: .seconds(10))))])
    }

    @Test func `a fetch that no slot was free for was not dialled, and is no failed fetch of its domain`() {
        var schedule = schedule(slots: 1)
        _ = schedule.submit(id(1), request, start: start, now: start)
        #expect(schedule.submit(id(2), request, start: start, now: start + .milliseconds(100)).isEmpty)
        // Within its turn the first keeps the slot; at the deadlines of both it still has it.
        let end = schedule.expire(now: start + .seconds(12))
        #expect(end.contains(failed(2, .noSlot(.notDialled(within: .seconds(12))))))
    }

    @Test func `who waits has the slot of a silent host after one second, and that one tries its next address later`() {
        var schedule = schedule(slots: 1)
        _ = schedule.submit(id(1), request, start: start, now: start)
        #expect(schedule.submit(id(2), request, start: start, now: start).isEmpty)
        #expect(schedule.nextDeadline == start + .seconds(1))
        #expect(schedule.expire(now: start + .milliseconds(999)).isEmpty)
        #expect(schedule.expire(now: start + .seconds(1)) == [.hangUp(id(1)), dial(2, 1, aThirdOf: 11)])
        let next = schedule.ended(id(2), .answered(response), now: start + .seconds(2))
        #expect(next == [.settle(id(2), .success(response)), dial(1, 1, aThirdOf: 10)])
    }

    @Test func `nobody is interrupted while nobody waits`() {
        var schedule = schedule(slots: 2)
        _ = schedule.submit(id(1), request, start: start, now: start)
        #expect(schedule.nextDeadline == nil)
        #expect(schedule.expire(now: start + .seconds(3)).isEmpty)
        // But one that comes later need not wait.
        var other = schedule.submit(id(2), request, start: start + .seconds(3), now: start + .seconds(3))
        #expect(other.first == .hangUp(id(1)))
        other = schedule.cancel(id(2), now: start + .seconds(3))
        #expect(other.last == dial(1, 1, 3, 9))
    }

    @Test func `a fetch that was interrupted and gets no other slot is no failed fetch of its domain`() {
        var schedule = schedule(slots: 1)
        _ = schedule.submit(id(1), request, start: start, now: start)
        _ = schedule.submit(id(2), request, start: start, now: start)
        _ = schedule.expire(now: start + .seconds(1))
        let end = schedule.expire(now: start + .seconds(12))
        #expect(end.contains(failed(1, .noSlot(.interrupted(within: .seconds(12))))))
    }

    @Test func `a cancelled fetch gives way to the next, the newest first`() {
        var schedule = schedule(slots: 1)
        for number in 1...3 { _ = schedule.submit(id(UInt64(number)), request, start: start, now: start) }
        #expect(schedule.cancel(id(2), now: start) == [failed(2, .cancelled)])
        #expect(schedule.cancel(id(1), now: start) == [.hangUp(id(1)), failed(1, .cancelled), dial(3, 1, 4, 12)])
        #expect(schedule.cancel(id(1), now: start).isEmpty)
        #expect(schedule.cancel(id(9), now: start).isEmpty)
    }

    @Test func `beyond the queue's limit the fetch that waits longest ends as queue full`() {
        var schedule = schedule(slots: 1, waiting: 2)
        for number in 1...3 { _ = schedule.submit(id(UInt64(number)), request, start: start, now: start) }
        let end = schedule.submit(id(4), request, start: start + .seconds(0.5), now: start + .seconds(0.5))
        #expect(end.count == 1)
        #expect([failed(2, .noSlot(.queueFull)), failed(3, .noSlot(.queueFull))].contains(end[0]))
        #expect(schedule.waitingCount == 2)
    }

    @Test func `all are settled when all is abandoned`() {
        var schedule = schedule(slots: 1)
        for number in 1...2 { _ = schedule.submit(id(UInt64(number)), request, start: start, now: start) }
        #expect(
            schedule.abandon(.cancelled) == [.hangUp(id(1)), failed(1, .cancelled), failed(2, .cancelled)])
        #expect(schedule.abandon(.cancelled).isEmpty)
        #expect(schedule.submit(id(3), request, start: start, now: start) == [dial(3, 0, 4, 12)])
    }
}

struct FetchKeyTests {
    @Test(arguments: [
        ("example.com", "example.com"), ("a.b.evil.example", "evil.example"), ("example.co.uk", "example.co.uk"),
        ("a.example.co.uk", "example.co.uk"), ("x.com.au", "x.com.au"), ("co.uk", "co.uk"), ("a.co.com", "co.com"),
        ("a.web.example", "web.example"), ("a.example.de", "example.de"), ("localhost", "localhost"),
    ])
    func `names of one owner are one registrable domain`(_ name: String, _ registrable: String) {
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

    @Test func `even one slot is a share of everything`() {
        let limits = FetchLimits(slots: 1, waiting: 0)
        #expect([limits.share, limits.perAddress, limits.retries] == [1, 1, 1])
        let many = FetchLimits(slots: 512, waiting: 0)
        #expect([many.share, many.perAddress, many.retries] == [32, 4, 256])
    }
}

struct FetchLineTests {
    private func id(_ number: UInt64) -> FetchID { FetchID(number: number) }

    @Test func `within a round the newest and the oldest take turns`() {
        var line = FetchLine()
        for number in 1...5 as ClosedRange<UInt64> { line.add(id(number), .firstContact) }
        var order: [UInt64] = []
        while let next = line.next() { order.append(next.id.number) }
        #expect(order == [5, 1, 4, 2, 3])
    }

    @Test func `the lowest round goes first, then the newest`() {
        var line = FetchLine()
        for (number, round) in [(1, 1), (2, 0), (3, 1), (4, 0), (5, 2)] as [(UInt64, Int)] {
            line.add(id(number), .firstContact, round: round)
        }
        line.remove(id(3), .firstContact)
        var order: [UInt64] = []
        while let next = line.next() { order.append(next.id.number) }
        #expect(order == [4, 2, 1, 5])
        #expect(line.isEmpty)
    }

    @Test func `of nine, four are for cached policies, four for first contacts and one for a retry`() {
        var line = FetchLine()
        for number in 1...30 as ClosedRange<UInt64> {
            line.add(id(number), .cachedPolicy)
            line.add(id(100 + number), .firstContact)
            line.add(id(200 + number), .retry)
        }
        var counts = [0, 0, 0]
        for _ in 1...18 { if let next = line.next() { counts[Int(next.id.number / 100)] += 1 } }
        #expect(counts == [8, 8, 2])
    }

    @Test func `those that were removed never come, and leave no room taken`() {
        var line = FetchLine()
        for number in 1...1_000 as ClosedRange<UInt64> { line.add(id(number), .retry) }
        for number in 2...1_000 as ClosedRange<UInt64> { line.remove(id(number), .retry) }
        // The same one again, which counts once.
        line.remove(id(1), .retry)
        line.add(id(1), .retry)
        #expect(line.next()?.id == id(1))
        #expect(line.next() == nil)
    }
}

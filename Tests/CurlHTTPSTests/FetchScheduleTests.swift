import Discovery
import Testing

@testable import CurlHTTPS

struct FetchScheduleTests {
    private let start = ContinuousClock.now
    private let request: PolicyRequest
    private let addresses: [IPAddress]
    private let response: PolicyResponse

    init() throws {
        addresses = try ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map { try #require(IPAddress($0)) }
        request = PolicyRequest(
            host: "mta-sts.example.test", url: "https://mta-sts.example.test/", addresses: addresses)
        response = PolicyResponse(
            body: [], contentType: nil, address: addresses[0], httpVersion: "HTTP/2",
            tls: TLSSummary(issuer: nil, notAfter: nil))
    }

    private func id(_ number: UInt64) -> FetchID { FetchID(number: number) }

    /// The dial of the address with this index, whose connect and total time are these numbers of seconds.
    private func dial(_ number: UInt64, _ index: Int, _ connect: Double, _ total: Double) -> FetchSchedule.Action {
        .dial(
            id(number), request, addresses[index], AttemptLimits(connect: .seconds(connect), total: .seconds(total)))
    }

    private let timedOut = Result<PolicyResponse, FetchFailure>.failure(.transport(.timedOut(after: .seconds(12))))

    private func schedule(places: Int = 2) -> FetchSchedule {
        FetchSchedule(timeout: .seconds(12), maximumInFlight: places)
    }

    @Test(
        arguments: [
            (30, 2, 5), (8, 2, 4), (3, 10, 1), (30, 10, 3), (30, 1, 30), (0.5, 1, 0.5), (0.5, 3, 0.5),
        ] as [(Double, Int, Double)])
    func `an attempt has its share, within one and five seconds, the last all`(
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
        #expect(end == [.settle(id(1), .failure(.transport(.unreachable("refused"))))])
        #expect(schedule.ended(id(1), .timedOut, now: start).isEmpty)
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
        #expect(end == [.settle(id(1), timedOut)])
    }

    @Test func `those without a place wait in the order of their calls, and their time runs`() {
        var schedule = schedule(places: 1)
        _ = schedule.submit(id(1), request, start: start, now: start)
        #expect(schedule.submit(id(2), request, start: start, now: start).isEmpty)
        #expect(schedule.submit(id(3), request, start: start + .seconds(1), now: start + .seconds(1)).isEmpty)
        #expect(schedule.nextDeadline == start + .seconds(12))
        let next = schedule.ended(id(1), .answered(response), now: start + .seconds(6))
        #expect(next == [.settle(id(1), .success(response)), dial(2, 0, 2, 6)])
        #expect(schedule.nextDeadline == start + .seconds(13))
        #expect(schedule.expire(now: start + .seconds(12)).isEmpty)
        #expect(schedule.expire(now: start + .seconds(13)) == [.settle(id(3), timedOut)])
        #expect(schedule.nextDeadline == nil)
    }

    @Test func `a cancelled fetch gives way to the next`() {
        var schedule = schedule(places: 1)
        for number in 1...3 { _ = schedule.submit(id(UInt64(number)), request, start: start, now: start) }
        #expect(schedule.cancel(id(2), now: start) == [.settle(id(2), .failure(.cancelled))])
        #expect(
            schedule.cancel(id(1), now: start)
                == [.hangUp(id(1)), .settle(id(1), .failure(.cancelled)), dial(3, 0, 4, 12)])
        #expect(schedule.cancel(id(1), now: start).isEmpty)
        #expect(schedule.cancel(id(9), now: start).isEmpty)
    }

    @Test func `all are settled when all is abandoned`() {
        var schedule = schedule(places: 1)
        for number in 1...2 { _ = schedule.submit(id(UInt64(number)), request, start: start, now: start) }
        let failure = Result<PolicyResponse, FetchFailure>.failure(.cancelled)
        #expect(schedule.abandon(.cancelled) == [.hangUp(id(1)), .settle(id(1), failure), .settle(id(2), failure)])
        #expect(schedule.abandon(.cancelled).isEmpty)
        #expect(schedule.submit(id(3), request, start: start, now: start) == [dial(3, 0, 4, 12)])
    }

    @Test func `each of thousands is settled once, never more than the places in flight`() {
        var schedule = schedule(places: 7)
        var running: [FetchID] = []
        var settled: [FetchID: Int] = [:]
        func note(_ actions: [FetchSchedule.Action]) {
            for action in actions {
                switch action {
                case .dial(let id, _, _, _): running.append(id)
                case .hangUp(let id): running.removeAll { $0 == id }
                case .settle(let id, _): settled[id, default: 0] += 1
                }
            }
            #expect(running.count <= 7)
        }
        for number in 1...5_000 {
            note(schedule.submit(id(UInt64(number)), request, start: start, now: start))
            if number.isMultiple(of: 3) { note(schedule.cancel(id(UInt64(number / 3)), now: start)) }
            if number.isMultiple(of: 2), let done = running.first {
                running.removeFirst()
                note(schedule.ended(done, .answered(response), now: start))
            }
        }
        note(schedule.expire(now: start + .seconds(12)))
        note(schedule.abandon(.cancelled))
        #expect(settled.count == 5_000)
        #expect(settled.values.allSatisfy { $0 == 1 })
    }
}

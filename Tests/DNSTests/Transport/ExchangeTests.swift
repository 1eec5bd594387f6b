import Discovery
import TestSupport
import Testing

@testable import DNSClient

/// The decisions for one question, without sockets and in virtual time.
@Suite struct ExchangeTests {
    private typealias ServerID = ServerPool.ServerID

    private let start = ContinuousClock.now
    private let first = ServerPool.ServerID(number: 0)
    private let second = ServerPool.ServerID(number: 1)

    private func exchange(
        _ servers: [ServerPool.ServerID], demoted: Set<ServerPool.ServerID> = [], probe: ServerPool.ServerID? = nil
    ) -> Exchange {
        Exchange(
            order: .init(servers: servers, demoted: demoted, probe: probe), timeout: .seconds(5),
            deadline: start + .seconds(5), at: start)
    }

    private func answer() throws -> DNSReply {
        // A response with the question a. IN TXT and no records.
        .answer(try DNSMessage([0, 1, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 16, 0, 1]))
    }

    /// Fires the timer until the question is over; returns the times of the transmissions and the result.
    private func run(_ exchange: inout Exchange) -> (sent: [(Duration, ServerPool.ServerID)], end: [Exchange.Action]) {
        var sent: [(Duration, ServerPool.ServerID)] = []
        var actions = exchange.start(at: start)
        var now = start
        for _ in 0..<1_000 {
            for case .transmit(let server) in actions { sent.append((now - start, server)) }
            guard let next = exchange.nextEvent else { return (sent, actions) }
            now = next
            actions = exchange.timerFired(at: now)
        }
        return (sent, actions)
    }

    @Test func `a silent server gets 14 or 15 transmissions, and the question ends at the deadline`() {
        var exchange = exchange([first])
        let (sent, end) = run(&exchange)
        #expect((14...15).contains(sent.count))
        #expect(end == [.finish(.failed(.timedOut(after: .seconds(5)), from: nil)), .close])
    }

    @Test func `transmissions go to the servers in turn`() {
        var exchange = exchange([first, second])
        #expect(run(&exchange).sent.prefix(4).map(\.1) == [first, second, first, second])
    }

    @Test func `an answer to any transmission ends the question, and silent servers move behind`() throws {
        var exchange = exchange([first, second])
        _ = exchange.start(at: start)
        let later = start + .milliseconds(350)
        #expect(exchange.timerFired(at: later) == [.transmit(second)])
        let actions = exchange.received(try answer(), packet: [1], from: second, at: later + .milliseconds(5))
        #expect(actions.prefix(2) == [.answered(second), .recordMiss(first, .timeout(since: start))])
        #expect(actions.last == .close)
        #expect(exchange.isOver && exchange.nextEvent == nil)
    }

    @Test func `a quick answer moves no server`() throws {
        var exchange = exchange([first, second])
        _ = exchange.start(at: start)
        let actions = exchange.received(try answer(), packet: [1], from: first, at: start + .milliseconds(5))
        #expect(actions.allSatisfy { if case .recordMiss = $0 { false } else { true } })
    }

    @Test func `an error leads to the next server at once, and is the result when all have one`() {
        var exchange = exchange([first, second])
        _ = exchange.start(at: start)
        #expect(exchange.received(.error(.responseCode(2)), packet: [], from: first, at: start) == [.transmit(second)])
        #expect(
            exchange.received(.error(.responseCode(5)), packet: [], from: second, at: start)
                == [.finish(.failed(.responseCode(2), from: first)), .close])
    }

    @Test func `an error stands after two intervals if only demoted servers are silent`() {
        var exchange = exchange([first, second], demoted: [second])
        _ = exchange.start(at: start)
        #expect(exchange.received(.error(.responseCode(2)), packet: [], from: first, at: start) == [.transmit(second)])
        var actions: [Exchange.Action] = []
        while let next = exchange.nextEvent, next < start + .seconds(1) { actions += exchange.timerFired(at: next) }
        #expect(actions.suffix(2) == [.finish(.failed(.responseCode(2), from: first)), .close])
    }

    @Test func `unrelated and malformed messages do not end the question, and the reason is remembered`() throws {
        var exchange = exchange([first])
        _ = exchange.start(at: start)
        #expect(exchange.received(.unrelated, packet: [], from: first, at: start) == [])
        #expect(exchange.received(.malformed("message ends too early"), packet: [], from: first, at: start) == [])
        #expect(
            exchange.timerFired(at: start + .seconds(5))
                == [.finish(.failed(.malformedAnswer("message ends too early"), from: nil)), .close])
    }

    @Test func `a truncated answer leads to TCP once, and UDP goes on when the connection fails`() {
        var exchange = exchange([first])
        _ = exchange.start(at: start)
        #expect(exchange.received(.truncated, packet: [], from: first, at: start) == [.connect(first)])
        #expect(exchange.received(.truncated, packet: [], from: first, at: start) == [])
        #expect(exchange.timerFired(at: start + .milliseconds(350)) == [])
        #expect(exchange.connectionFailed(to: first, error: .lost, at: start + .milliseconds(400)) == [])
        #expect(exchange.timerFired(at: start + .milliseconds(700)) == [.transmit(first)])
    }

    @Test func `if this host cannot send at all, the result is a local error`() {
        var exchange = exchange([first])
        _ = exchange.start(at: start)
        #expect(exchange.sendFailed(to: first, reason: "no route", at: start) == [])
        #expect(
            exchange.timerFired(at: start + .seconds(5)) == [.finish(.failed(.local("no route"), from: nil)), .close])
    }

    @Test func `after the result the question waits for the answer of the probe`() throws {
        var exchange = exchange([second, first], demoted: [first], probe: first)
        #expect(exchange.start(at: start) == [.transmit(second), .transmit(first)])
        let end = exchange.received(try answer(), packet: [1], from: second, at: start + .milliseconds(1))
        #expect(end.last != .close && !exchange.isAsking)
        let back = exchange.received(try answer(), packet: [2], from: first, at: start + .milliseconds(2))
        #expect(back == [.answered(first), .close])
    }

    @Test func `other servers are asked at once, and old ones may still answer`() throws {
        var exchange = exchange([first])
        _ = exchange.start(at: start)
        #expect(
            exchange.serversReplaced(by: .init(servers: [second]), at: start + .milliseconds(10)) == [.transmit(second)]
        )
        let actions = exchange.received(try answer(), packet: [1], from: first, at: start + .milliseconds(20))
        #expect(actions.last == .close)
    }

    @Test func `an error of a server that was replaced ends nothing, though the new one refuses`() {
        var exchange = exchange([first])
        _ = exchange.start(at: start)
        let later = start + .milliseconds(10)
        #expect(exchange.serversReplaced(by: .init(servers: [second]), at: later) == [.transmit(second)])
        #expect(exchange.refused(by: second, at: later) == [])
        #expect(exchange.received(.error(.responseCode(2)), packet: [], from: first, at: later) == [])
        let (_, end) = run(&exchange)
        #expect(end == [.finish(.failed(.timedOut(after: .seconds(5)), from: nil)), .close])
    }

    @Test func `an error stands after half of the time if another server stays silent, which then goes behind`() {
        var exchange = exchange([first, second])
        _ = exchange.start(at: start)
        #expect(exchange.received(.error(.responseCode(2)), packet: [], from: first, at: start) == [.transmit(second)])
        var (now, actions) = (start, [Exchange.Action]())
        while let next = exchange.nextEvent {
            now = next
            actions = exchange.timerFired(at: now)
        }
        #expect(now - start == .milliseconds(2_500))
        #expect(
            actions == [
                .recordMiss(second, .timeout(since: start)), .finish(.failed(.responseCode(2), from: first)), .close,
            ])
    }

    @Test func `a failure over TCP has its reason: a local error or a malformed answer`() {
        let failures: [(Exchange.ConnectionError, DNSError.Cause)] = [
            (.local("socket: Too many open files"), .local("socket: Too many open files")),
            (.malformed("message ends too early"), .malformedAnswer("message ends too early")),
            (.lost, .timedOut(after: .seconds(5))),
        ]
        for (failure, cause) in failures {
            var exchange = exchange([first])
            _ = exchange.start(at: start)
            _ = exchange.received(.truncated, packet: [], from: first, at: start)
            #expect(exchange.connectionFailed(to: first, error: failure, at: start) == [])
            #expect(exchange.timerFired(at: start + .seconds(5)) == [.finish(.failed(cause, from: nil)), .close])
        }
    }

    /// After each event the next one is in the future, and the question ends once.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func `random events never stop the clock, and end a question once`(seed: UInt64) throws {
        var generator = Seeded(seed)
        let servers = (0..<4).map { ServerPool.ServerID(number: $0) }
        let serverCount = Int.random(in: 1...4, using: &generator)
        var exchange = exchange(
            Array(servers[..<serverCount]), demoted: Bool.random(using: &generator) ? [servers[0]] : [],
            probe: Bool.random(using: &generator) ? servers[0] : nil)
        let replies: [DNSReply] = [
            .unrelated, .malformed("x"), .truncated, .error(.responseCode(2)), .error(.responseCode(5)), try answer(),
        ]
        var now = start
        var ends = 0
        func count(_ actions: [Exchange.Action]) {
            for case .finish in actions { ends += 1 }
        }
        count(exchange.start(at: now))
        for _ in 0..<500 where exchange.nextEvent != nil {
            let server = servers[Int.random(in: 0..<4, using: &generator)]
            switch Int.random(in: 0..<10, using: &generator) {
            case 0: count(exchange.refused(by: server, at: now))
            case 1: count(exchange.sendFailed(to: server, reason: "x", at: now))
            case 2: count(exchange.connectionFailed(to: server, error: .lost, at: now))
            case 3:
                let order = ServerPool.Order(servers: Array(servers.shuffled(using: &generator)[..<serverCount]))
                count(exchange.serversReplaced(by: order, at: now))
            case 4, 5:
                let reply = replies[Int.random(in: replies.indices, using: &generator)]
                count(exchange.received(reply, packet: [], from: server, at: now))
            default:
                now = exchange.nextEvent ?? now
                count(exchange.timerFired(at: now))
                #expect(exchange.nextEvent.map { $0 > now } ?? true, "seed \(seed)")
            }
        }
        while let next = exchange.nextEvent {
            count(exchange.timerFired(at: next))
            try #require(exchange.nextEvent.map { $0 > next } ?? true, "seed \(seed)")
        }
        #expect(ends == 1 && exchange.isOver, "seed \(seed)")
    }
}

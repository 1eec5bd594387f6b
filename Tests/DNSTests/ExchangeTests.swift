import Discovery
import Testing

@testable import DNSClient

/// One question's decisions, without sockets and in time of its own.
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

    @Test func `an answer to any transmission ends the question, and those that were silent go behind`() throws {
        var exchange = exchange([first, second])
        _ = exchange.start(at: start)
        let later = start + .milliseconds(350)
        #expect(exchange.timerFired(at: later) == [.transmit(second)])
        let actions = exchange.received(try answer(), [1], from: second, at: later + .milliseconds(5))
        #expect(actions.prefix(2) == [.answered(second), .demote([first])])
        #expect(actions.last == .close)
        #expect(exchange.isOver && exchange.nextEvent == nil)
    }

    @Test func `an answer that is quick demotes nobody`() throws {
        var exchange = exchange([first, second])
        _ = exchange.start(at: start)
        let actions = exchange.received(try answer(), [1], from: first, at: start + .milliseconds(5))
        #expect(actions.allSatisfy { if case .demote = $0 { false } else { true } })
    }

    @Test func `an error leads to the next server at once, and is the result when all have one`() {
        var exchange = exchange([first, second])
        _ = exchange.start(at: start)
        #expect(exchange.received(.error(.responseCode(2)), [], from: first, at: start) == [.transmit(second)])
        #expect(
            exchange.received(.error(.responseCode(5)), [], from: second, at: start)
                == [.finish(.failed(.responseCode(2), from: first)), .close])
    }

    @Test func `an error stands after two intervals if only demoted servers are silent`() {
        var exchange = exchange([first, second], demoted: [second])
        _ = exchange.start(at: start)
        #expect(exchange.received(.error(.responseCode(2)), [], from: first, at: start) == [.transmit(second)])
        var actions: [Exchange.Action] = []
        while let next = exchange.nextEvent, next < start + .seconds(1) { actions += exchange.timerFired(at: next) }
        #expect(actions.suffix(2) == [.finish(.failed(.responseCode(2), from: first)), .close])
    }

    @Test func `unrelated and malformed messages do not end the question; the reason is kept`() throws {
        var exchange = exchange([first])
        _ = exchange.start(at: start)
        #expect(exchange.received(.unrelated, [], from: first, at: start) == [])
        #expect(exchange.received(.malformed("it ends too early"), [], from: first, at: start) == [])
        #expect(
            exchange.timerFired(at: start + .seconds(5))
                == [.finish(.failed(.malformedAnswer("it ends too early"), from: nil)), .close])
    }

    @Test func `a truncated answer leads to TCP once, and UDP goes on when the connection fails`() {
        var exchange = exchange([first])
        _ = exchange.start(at: start)
        #expect(exchange.received(.truncated, [], from: first, at: start) == [.connect(first)])
        #expect(exchange.received(.truncated, [], from: first, at: start) == [])
        #expect(exchange.timerFired(at: start + .milliseconds(350)) == [])
        #expect(exchange.connectionFailed(to: first, at: start + .milliseconds(400)) == [])
        #expect(exchange.timerFired(at: start + .milliseconds(700)) == [.transmit(first)])
    }

    @Test func `what this host cannot send is a local failure, if nothing was sent at all`() {
        var exchange = exchange([first])
        _ = exchange.start(at: start)
        #expect(exchange.sendFailed(to: first, reason: "no route", at: start) == [])
        #expect(
            exchange.timerFired(at: start + .seconds(5)) == [.finish(.failed(.local("no route"), from: nil)), .close])
    }

    @Test func `a probe's answer is awaited after the question has its result`() throws {
        var exchange = exchange([second, first], demoted: [first], probe: first)
        #expect(exchange.start(at: start) == [.transmit(second), .transmit(first)])
        let end = exchange.received(try answer(), [1], from: second, at: start + .milliseconds(1))
        #expect(end.last != .close && !exchange.isAsking)
        let back = exchange.received(try answer(), [2], from: first, at: start + .milliseconds(2))
        #expect(back == [.answered(first), .close])
    }

    @Test func `other servers are asked at once, and old ones may still answer`() throws {
        var exchange = exchange([first])
        _ = exchange.start(at: start)
        #expect(
            exchange.serversReplaced(by: .init(servers: [second]), at: start + .milliseconds(10)) == [.transmit(second)]
        )
        let actions = exchange.received(try answer(), [1], from: first, at: start + .milliseconds(20))
        #expect(actions.last == .close)
    }
}

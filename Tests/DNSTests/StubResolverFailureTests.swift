import Discovery
import Testing

@testable import DNSClient
@testable import UnboundDNS

/// Failures of servers: each has its cause, and does not affect later questions.
@Suite(.timeLimit(.minutes(5)))
struct StubResolverFailureTests {
    private let text = record(16, data: rdata("here"))

    @Test func `SERVFAIL is a failure with its code, and is not remembered`() async throws {
        let broken = Flag()
        let stub = try StubServer { query in
            .answer(broken.isSet ? query.response(answers: [record(16, data: rdata("here"))]) : query.response(code: 2))
        }
        let resolver = try resolver(ports: stub.port)
        #expect(await resolver.cause("a.test") == .responseCode(2))
        broken.set()
        #expect(try await resolver.txt("a.test").content == .records([rdata("here")]))
    }

    @Test(arguments: [1, 4, 5, 9] as [UInt8])
    func `any other error answer is a failure too, never an absence`(code: UInt8) async throws {
        let stub = try StubServer { .answer($0.response(code: code)) }
        #expect(try await resolver(ports: stub.port).cause("a.test") == .responseCode(code))
    }

    @Test func `a real server's REFUSED is a failure, also behind an alias`() async throws {
        let knot = try KnotServer(zones: ["a.test": StubResolverTests.soa + "out 60 CNAME x.elsewhere.example."])
        let resolver = try resolver(ports: knot.port)
        #expect(await resolver.cause("x.elsewhere.example") == .responseCode(5))
        #expect(await resolver.cause("out.a.test") == .responseCode(5))
    }

    @Test func `a failure contains question, cause and servers`() async throws {
        let stub = try StubServer { .answer($0.response(code: 2)) }
        let resolver = try resolver(ports: stub.port)
        let failure = await #expect(throws: DNSError.self) { try await resolver.txt("a.test") }
        #expect(failure?.description == "a.test TXT: SERVFAIL (servers 127.0.0.1@\(stub.port))")
    }

    @Test func `a server that never answers is a time-out after the time that was set`() async throws {
        let stub = try StubServer { _ in .noAnswer }
        let resolver = try resolver(ports: stub.port, timeout: .milliseconds(300))
        let started = ContinuousClock.now
        #expect(await resolver.cause("a.test") == .timedOut(after: .milliseconds(300)))
        #expect(.now - started >= .milliseconds(300))
    }

    @Test func `a closed port is a time-out too`() async throws {
        let resolver = try resolver(ports: freePort("127.0.0.1"), timeout: .milliseconds(300))
        #expect(await resolver.cause("a.test") == .timedOut(after: .milliseconds(300)))
    }

    @Test func `the same question twice is asked twice`() async throws {
        let stub = try StubServer { .answer($0.response(answers: [record(16, ttl: 3600, data: rdata("here"))])) }
        let resolver = try resolver(ports: stub.port)
        for _ in 0..<3 { #expect(try await resolver.txt("a.test").content == .records([rdata("here")])) }
        #expect(stub.queries.map(\.name) == ["a.test", "a.test", "a.test"])
    }

    @Test func `a negative answer without an SOA may not be kept, and is asked again`() async throws {
        let stub = try StubServer { .answer($0.response(code: $0.name == "no.test" ? 3 : 0)) }
        let resolver = try resolver(ports: stub.port)
        for _ in 0..<2 {
            let answer = try await resolver.txt("no.test")
            #expect(answer.content == .nameError)
            #expect(answer.timeToLive == 0)
        }
        #expect(stub.queries.count { $0.name == "no.test" } >= 2)
        #expect(try await resolver.txt("empty.test").content == .noData)
    }

    @Test func `a truncated answer is asked for again over TCP`() async throws {
        let text = text
        let stub = try StubServer { query in
            .answer(query.overTCP ? query.response(answers: [text]) : query.response(flags: 0x0200))
        }
        #expect(try await resolver(ports: stub.port).txt("a.test").content == .records([rdata("here")]))
        #expect(stub.queries.map(\.overTCP) == [false, true])
    }

    @Test func `a time-out of one question leaves the others`() async throws {
        let text = text
        let stub = try StubServer { query in
            query.name == "slow.test" ? .noAnswer : .answer(query.response(answers: [text]))
        }
        let resolver = try resolver(ports: stub.port, timeout: .seconds(1))
        async let slow = resolver.cause("slow.test")
        await stub.received(1)
        #expect(await slow == .timedOut(after: .seconds(1)))
        for number in 1...20 {
            #expect(try await resolver.txt("fine\(number).test").content == .records([rdata("here")]))
        }
    }

    @Test func `a dead server causes a delay only if another one answers`() async throws {
        let text = text
        let silent = try StubServer { _ in .noAnswer }
        let good = try StubServer { .answer($0.response(answers: [text])) }
        let resolver = try resolver(ports: silent.port, good.port)
        for number in 0..<20 {
            #expect(try await resolver.txt("n\(number).test").content == .records([rdata("here")]))
        }
    }

    @Test func `SERVFAIL of one server has no effect if another one answers`() async throws {
        let text = text
        let bad = try StubServer { .answer($0.response(code: 2)) }
        let good = try StubServer { .answer($0.response(answers: [text])) }
        let resolver = try resolver(ports: bad.port, good.port)
        for number in 0..<20 {
            #expect(try await resolver.txt("n\(number).test").content == .records([rdata("here")]))
        }
    }

    @Test func `a server that is back is used again`() async throws {
        let text = text
        let port = try freePort("127.0.0.1")
        let resolver = try resolver(ports: port, timeout: .milliseconds(1500))
        await withDiscardingTaskGroup { group in
            for number in 0..<50 { group.addTask { _ = await resolver.cause("n\(number).test") } }
        }
        let stub = try StubServer(port: port) { .answer($0.response(answers: [text])) }
        #expect(try await resolver.txt("back.test").content == .records([rdata("here")]))
        stub.stop()
        #expect(await resolver.cause("down.test") == .timedOut(after: .milliseconds(1500)))
    }
}

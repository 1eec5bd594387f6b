import Discovery
import Foundation
import Testing

@testable import DNSClient
@testable import UnboundDNS

/// One after the other: these count descriptors and use many.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct DNSTransportTests {
    @Test func `1,000 questions are under way at once`() async throws {
        let stub = try StubServer { .hold($0.response(answers: [record(16, data: rdata($0.name))])) }
        let resolver = try resolver(ports: stub.port, timeout: .seconds(20))
        let right = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<1_000 {
                group.addTask {
                    try await resolver.txt("n\(number).test").content == .records([rdata("n\(number).test")])
                }
            }
            // All have come before the first is answered; later ones are repeats.
            await stub.received(names: 1_000)
            stub.release()
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(right == 1_000)
    }

    @Test func `cancelling one question leaves the others`() async throws {
        let stub = try StubServer { .hold($0.response(answers: [record(16, data: rdata("here"))])) }
        let resolver = try resolver(ports: stub.port, timeout: .seconds(20))
        let cancelled = Task { await resolver.cause("cancelled.test") }
        let waiting = Task { try await resolver.txt("waiting.test") }
        // Two lookups of one name share a query upstream; the test cancels one of them.
        let second = Task { await resolver.cause("waiting.test") }
        await stub.received(names: 2)
        cancelled.cancel()
        second.cancel()
        #expect(await cancelled.value == .cancelled)
        #expect(await second.value == .cancelled)
        stub.release()
        #expect(try await waiting.value.content == .records([rdata("here")]))
    }

    @Test func `a question of a cancelled task is not waited for`() async throws {
        let stub = try StubServer { _ in .noAnswer }
        let resolver = try resolver(ports: stub.port, timeout: .seconds(20))
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await resolver.cause("a.test")
        }
        #expect(await task.value == .cancelled)
    }

    @Test func `closing ends what is under way, and what comes later`() async throws {
        let stub = try StubServer { _ in .noAnswer }
        let transport = try transport(ports: [stub.port], timeout: .seconds(20))
        let resolver = StubResolver(transport)
        await withDiscardingTaskGroup { group in
            for number in 0..<50 {
                group.addTask { #expect(await resolver.cause("n\(number).test") == .cancelled) }
            }
            await stub.received(names: 50)
            transport.close()
        }
        #expect(await resolver.cause("late.test") == .cancelled)
        transport.close()
    }

    @Test func `answer, time-out, cancellation and closing race, and every question ends once`() async throws {
        let stub = try StubServer { .answer($0.response(answers: [record(16, data: rdata("here"))])) }
        for round in 0..<20 {
            let transport = try transport(ports: [stub.port], timeout: .microseconds(500 + 200 * round))
            let resolver = StubResolver(transport)
            await withDiscardingTaskGroup { group in
                for number in 0..<50 {
                    group.addTask { _ = try? await resolver.txt("n\(number).test") }
                }
                if round % 2 == 0 { group.cancelAll() }
                if round % 3 == 0 { transport.close() }
            }
        }
    }

    @Test func `1,000 transports leave no descriptors`() async throws {
        let stub = try StubServer { query in
            query.name == "a.test" ? .answer(query.response(answers: [record(16, data: rdata("here"))])) : .noAnswer
        }
        let before = try descriptors()
        for _ in 0..<1_000 {
            let transport = try transport(ports: [stub.port])
            let resolver = StubResolver(transport)
            #expect(try await resolver.txt("a.test").content == .records([rdata("here")]))
            async let open = resolver.cause("never.test")
            await stub.received(name: "never.test")
            await transport.closed()
            #expect(await open == .cancelled)
        }
        // Other suites run beside this one and have some open. A leak in every sixteenth transport exceeds this.
        #expect(try descriptors() - before < 60)
    }

    @Test func `100 contexts leave no descriptors`() async throws {
        let before = try descriptors()
        for _ in 0..<100 {
            let anchors = try TrustAnchors(text: ". IN DS 20326 8 2 " + "ab".repeated(32))
            let configuration = UnboundConfiguration(anchors: anchors, port: 1, timeout: .seconds(5))
            let context = try UnboundContext(configuration: configuration.text)
            async let open = context.ask(name: "never.test", type: 16, deadline: .now() + 10)
            context.close()
            guard case .cancelled = await open else { throw KnotServer.StartError(description: "not cancelled") }
            await context.waitUntilFreed()
        }
        // Other suites run beside this one and have some open; a leak of one each would be 100.
        #expect(try descriptors() - before < 60)
    }

    @Test func `a bad configuration is refused with libunbound's words`() {
        #expect(throws: UnboundSetupError.library(step: "configuration", reason: "syntax error")) {
            try UnboundContext(configuration: "server:\n  no-such-option: 1\n")
        }
        #expect(throws: DNSTransportError.noServers) { try DNSTransport(servers: []) }
    }

    private func descriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }
}

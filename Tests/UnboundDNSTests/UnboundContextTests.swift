import Discovery
import Foundation
import Testing

@testable import UnboundDNS

/// One after the other: these count descriptors and use many.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct UnboundContextTests {
    @Test func `1,000 questions are under way at once`() async throws {
        let stub = try StubServer { .hold($0.response(answers: [record(16, rdata($0.name))])) }
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
        let stub = try StubServer { .hold($0.response(answers: [record(16, rdata("here"))])) }
        let resolver = try resolver(ports: stub.port, timeout: .seconds(20))
        let given = Task { await resolver.cause("given-up.test") }
        let kept = Task { try await resolver.txt("kept.test") }
        // Two askers of one name share a query upstream; one of them gives up.
        let twin = Task { await resolver.cause("kept.test") }
        await stub.received(names: 2)
        given.cancel()
        twin.cancel()
        #expect(await given.value == .cancelled)
        #expect(await twin.value == .cancelled)
        stub.release()
        #expect(try await kept.value.content == .records([rdata("here")]))
    }

    @Test func `a question of a cancelled task is not waited for`() async throws {
        let stub = try StubServer { _ in .silence }
        let resolver = try resolver(ports: stub.port, timeout: .seconds(20))
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await resolver.cause("a.test")
        }
        #expect(await task.value == .cancelled)
    }

    @Test func `closing ends what is under way, and what comes later`() async throws {
        let stub = try StubServer { _ in .silence }
        let resolver = try resolver(ports: stub.port, timeout: .seconds(20))
        await withDiscardingTaskGroup { group in
            for number in 0..<50 {
                group.addTask { #expect(await resolver.cause("n\(number).test") == .cancelled) }
            }
            await stub.received(names: 50)
            resolver.close()
        }
        #expect(await resolver.cause("late.test") == .cancelled)
        resolver.close()
    }

    @Test func `answer, time-out, cancellation and closing race, and every question ends once`() async throws {
        let stub = try StubServer { .answer($0.response(answers: [record(16, rdata("here"))])) }
        for round in 0..<20 {
            let resolver = try resolver(ports: stub.port, timeout: .microseconds(500 + 200 * round))
            await withDiscardingTaskGroup { group in
                for number in 0..<50 {
                    group.addTask { _ = try? await resolver.txt("n\(number).test") }
                }
                if round % 2 == 0 { group.cancelAll() }
                if round % 3 == 0 { resolver.close() }
            }
        }
    }

    @Test func `100 contexts leave no descriptors`() async throws {
        let stub = try StubServer { query in
            query.name == "a.test" ? .answer(query.response(answers: [record(16, rdata("here"))])) : .silence
        }
        let before = try descriptors()
        for _ in 0..<100 {
            let context = try UnboundContext(
                configuration: UnboundConfiguration(servers: [NameServer("127.0.0.1@\(stub.port)")]).unboundConf)
            let landing = await context.ask(name: "a.test", type: 16, deadline: .now() + 10)
            guard case .packet = landing else { throw KnotServer.Failed(description: "\(landing)") }
            async let open = context.ask(name: "never.test", type: 16, deadline: .now() + 10)
            context.close()
            guard case .cancelled = await open else { throw KnotServer.Failed(description: "not cancelled") }
            await context.freed()
        }
        // Other suites run beside this one and have some open; a leak of one each would be 100.
        #expect(try descriptors() - before < 60)
    }

    @Test func `a bad configuration is refused with libunbound's words`() {
        #expect(throws: UnboundSetupFailure.library(step: "configuration", reason: "syntax error")) {
            try UnboundContext(configuration: "server:\n  no-such-option: 1\n")
        }
        #expect(throws: UnboundSetupFailure.noServers) { try UnboundResolver(UnboundConfiguration(servers: [])) }
    }

    private func descriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }
}

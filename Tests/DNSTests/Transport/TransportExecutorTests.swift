import Discovery
import Glibc
import Testing

@testable import DNSClient

/// Tasks on the thread of a transport.
@Suite(.timeLimit(.minutes(5)))
struct TransportExecutorTests {
    private func thread() -> pthread_t { pthread_self() }

    private func answeringStub() throws -> StubServer {
        try StubServer { .answer($0.response(answers: [record(16, data: rdata("here"))])) }
    }

    @Test func `a task that asks questions stays on the transport's thread`() async throws {
        let stub = try answeringStub()
        let transport = try transport(ports: [stub.port])
        let task = Task(executorPreference: transport.executor) {
            let before = thread()
            for number in 1...3 { _ = try await StubResolver(transport).txt("n\(number).test") }
            return before == thread()
        }
        #expect(try await task.value)
        let other = Task(executorPreference: transport.executor) { thread() }
        let outside = await Task { thread() }.value
        #expect(await other.value != outside)
        await transport.closed()
    }

    @Test func `no job is forgotten, whether the thread works or waits`() async throws {
        let stub = try answeringStub()
        let transport = try transport(ports: [stub.port], timeout: .seconds(60))
        let resolver = StubResolver(transport)
        let answers = await withTaskGroup(of: Int.self) { group in
            for number in 0..<400 {
                group.addTask(executorPreference: transport.executor) {
                    for _ in 0..<(number % 7) { await Task.yield() }
                    // From the pool to the transport's thread and back.
                    let other = await Task(executorPreference: globalConcurrentExecutor) { 1 }.value
                    return (try? await resolver.txt("n\(number).test")) == nil ? 0 : other
                }
            }
            return await group.reduce(0, +)
        }
        #expect(answers == 400)
        await transport.closed()
    }

    @Test func `tasks end when the transport closes while they run, and later ones run elsewhere`() async throws {
        let stub = try StubServer { _ in .noAnswer }
        let transport = try transport(ports: [stub.port], timeout: .seconds(60))
        let resolver = StubResolver(transport)
        await withDiscardingTaskGroup { group in
            for number in 0..<50 {
                group.addTask(executorPreference: transport.executor) {
                    #expect(await resolver.cause("n\(number).test") == .cancelled)
                    for _ in 0..<number { await Task.yield() }
                }
            }
            await stub.received(names: 50)
            transport.close()
        }
        await transport.closed()
        let late = Task(executorPreference: transport.executor) {
            await Task.yield()
            return await resolver.cause("late.test")
        }
        #expect(await late.value == .cancelled)
    }
}

import MetricsTestKit
import Testing

@testable import TableServer

@Suite(.timeLimit(.minutes(5))) struct ConnectionRegistryTests {
    private func registry(limit: Int) -> ConnectionRegistry { ConnectionRegistry(limit: limit, metrics: TestMetrics()) }

    private func replaced(_ admission: ConnectionRegistry.Admission) -> Connection? {
        if case .replacing(let connection) = admission { connection } else { nil }
    }

    @Test func `at the limit the connection that was idle longest is replaced, never a busy one`() {
        let registry = registry(limit: 3)
        let connections = (0..<3).map { _ in Connection(queue: NoQueue(), registry: registry) }
        for connection in connections { #expect(replaced(registry.admit(connection)) == nil) }
        connections[0].becomeIdle()
        connections[1].becomeBusy()
        let (fourth, fifth) = (
            Connection(queue: NoQueue(), registry: registry), Connection(queue: NoQueue(), registry: registry)
        )
        #expect(replaced(registry.admit(fourth)) === connections[2])
        fourth.becomeBusy()
        #expect(replaced(registry.admit(fifth)) === connections[0])
        fifth.becomeBusy()
        guard case .refused = registry.admit(Connection(queue: NoQueue(), registry: registry)) else {
            Issue.record("a busy connection was replaced")
            return
        }
        // A replaced connection is no candidate again, whatever it still does.
        connections[0].becomeIdle()
        connections[1].becomeIdle()
        #expect(replaced(registry.admit(Connection(queue: NoQueue(), registry: registry))) === connections[1])
        #expect(registry.count == 3)
    }

    /// A walk over all connections for each of them would take minutes.
    @Test func `a connection above the limit costs no walk over the others`() {
        let registry = registry(limit: 10_000)
        for _ in 0..<10_000 { _ = registry.admit(Connection(queue: NoQueue(), registry: registry)) }
        for _ in 0..<100_000 {
            #expect(replaced(registry.admit(Connection(queue: NoQueue(), registry: registry))) != nil)
        }
        #expect(registry.count == 10_000)
    }
}

private struct NoQueue: ConnectionQueue {
    func post(_ message: ConnectionMessage) {}
}

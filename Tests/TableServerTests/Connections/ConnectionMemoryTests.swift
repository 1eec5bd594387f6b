import NIOCore
import PostfixTable
import Synchronization
import TestSupport
import Testing

@testable import TableServer

/// A closed connection leaves nothing in memory: it is released within some turns of the socket loop. Over real sockets, with
/// a real loop, whose timers could retain it.
@Suite(.timeLimit(.minutes(5))) struct ConnectionMemoryTests {
    private static let notFound = "9:NOTFOUND ,"

    @Test func `a connection that the peer closes after its reply is released`() async throws {
        let fixture = TableFixture()
        try await WatchedServer.with(fixture) { server in
            try await TableClient.with(port: server.port) { client in
                let reply = try await client.ask("2:x ,", until: ",")
                #expect(reply == Self.notFound)
            }
            #expect(try await server.aliveAfterClose() == [])
        }
    }

    @Test func `a connection without requests is released`() async throws {
        let fixture = TableFixture()
        try await WatchedServer.with(fixture) { server in
            try await TableClient.with(port: server.port) { _ in }
            #expect(try await server.aliveAfterClose() == [])
        }
    }

    @Test func `a connection that the peer closed during a lookup is released when the lookup ends`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.run {
            try await WatchedServer.with(fixture) { server in
                try await TableClient.with(port: server.port) { client in
                    try await client.outbound.write(ByteBuffer(string: "19:postfix example.com,"))
                    await gate.arrivals()
                }
                gate.open()
                #expect(try await server.aliveAfterClose() == [])
            }
        }
    }

    @Test func `a connection that is closed after a malformed request is released`() async throws {
        let fixture = TableFixture()
        try await WatchedServer.with(fixture) { server in
            try await TableClient.with(port: server.port) { client in
                let reply = try await client.ask("x", until: ",")
                #expect(reply.contains("PERM"))
            }
            #expect(try await server.aliveAfterClose() == [])
        }
    }

    @Test func `a connection that the peer closes during a drain is released`() async throws {
        let fixture = TableFixture()
        try await WatchedServer.with(fixture) { server in
            try await TableClient.with(port: server.port) { client in
                let reply = try await client.ask("2:x ,", until: ",")
                #expect(reply == Self.notFound)
                try await server.drain()
            }
            #expect(try await server.aliveAfterClose() == [])
        }
    }
}

/// A server for one connection, with a weak reference to it.
private struct WatchedServer: Sendable {
    private final class Watch: Sendable {
        struct References: Sendable {
            weak var connection: Connection?
            var queue: (any ConnectionQueue)?
        }

        let references = Mutex(References())
    }

    let port: Int
    private let loop: SocketLoop
    private let watch: Watch

    static func with(_ fixture: TableFixture, _ test: @Sendable (WatchedServer) async throws -> Void) async throws {
        let loop = try SocketLoop()
        defer { loop.end() }
        let watch = Watch()
        let shared = ConnectionContext(LookupSettings(), logger: fixture.log.logger(), metrics: fixture.metrics)
        let context = Listener.ListenerContext(
            settings: LookupSettings(), passed: .none, loop: loop, logger: fixture.log.logger(),
            accept: { socket, queue in
                // The table's connection owns it, and nothing else does.
                let connection = Connection(queue: queue)
                watch.references.withLock { $0 = .init(connection: connection, queue: queue) }
                return TableConnection(
                    .socketmap, socket: socket, service: fixture.service, shared: shared, connection: connection,
                    logger: fixture.log.logger())
            }, onExhausted: { _ in })
        let endpoint = TableEndpoint(address: .tcp(host: "127.0.0.1", port: 0), table: .socketmap)
        let listeners = try await Listener.listen(at: endpoint, context: context)
        try await test(WatchedServer(port: listeners.first?.port ?? 0, loop: loop, watch: watch))
        for listener in listeners { await listener.close() }
    }

    /// Lets the connection end after its pending replies.
    func drain() async throws {
        watch.references.withLock { $0.queue }?.post(.drain)
    }

    /// The objects that are still in memory after the peer has closed and the loop has run some times.
    func aliveAfterClose() async throws -> [String] {
        for _ in 0..<10_000 {
            if watch.references.withLock({ $0.queue != nil && $0.connection == nil }) { return [] }
            // One turn of the loop.
            await loop.stopListening(.max, acceptsQueue: false)
        }
        return ["connection"]
    }
}

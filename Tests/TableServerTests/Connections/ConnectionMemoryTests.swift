import TableServer
import NIOCore
import NIOPosix
import PostfixTable
import TestSupport
import Testing

/// A closed connection leaves nothing in memory: its handler, context and channel are released within some turns of the
/// event loop. Over real sockets and a real event loop, whose timers could retain them.
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

/// A server for one connection at a time, with weak references to the objects of the connection.
private struct WatchedServer: Sendable {
    /// Confined to the connection's event loop.
    private struct References {
        weak var channel: (any Channel)?
        weak var handler: TableConnectionHandler?
        weak var context: ChannelHandlerContext?

        var alive: [String] {
            [channel.map { _ in "channel" }, handler.map { _ in "handler" }, context.map { _ in "context" }]
                .compactMap(\.self)
        }
    }

    let port: Int
    private let eventLoop: any EventLoop
    private let references: NIOLoopBoundBox<References?>
    /// Succeeds when the connection is closed. It retains no object of the connection.
    private let closed: EventLoopPromise<Void>

    static func with(_ fixture: TableFixture, _ test: @Sendable (WatchedServer) async throws -> Void) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        let references = NIOLoopBoundBox.makeEmptyBox(valueType: References.self, eventLoop: eventLoop)
        let closed = eventLoop.makePromise(of: Void.self)
        let state = ConnectionContext(LookupSettings(), logger: fixture.log.logger(), metrics: fixture.metrics)
        let listener = try await ServerBootstrap(group: group)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.closeFuture.cascade(to: closed)
                return channel.eventLoop.makeCompletedFuture {
                    let handler = TableConnectionHandler(
                        .socketmap, service: fixture.service, shared: state, connection: Connection(channel: channel),
                        logger: fixture.log.logger())
                    try channel.pipeline.syncOperations.addHandler(handler)
                    let context = try channel.pipeline.syncOperations.context(handler: handler)
                    references.value = References(channel: channel, handler: handler, context: context)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = WatchedServer(
            port: listener.localAddress?.port ?? 0, eventLoop: eventLoop, references: references, closed: closed)
        try await test(server)
        try await listener.close()
        try await group.shutdownGracefully()
    }

    /// Lets the connection end after its pending replies.
    func drain() async throws {
        let references = references
        try await eventLoop.submit {
            references.value?.channel?.pipeline.fireUserInboundEventTriggered(ConnectionEvent.drain)
        }.get()
    }

    /// The objects that are still in memory after the connection is closed and the event loop has run 100 times.
    func aliveAfterClose() async throws -> [String] {
        try await closed.futureResult.get()
        let references = references
        for _ in 0..<100 { try await eventLoop.submit {}.get() }
        return try await eventLoop.submit { references.value?.alive ?? ["nothing was watched"] }.get()
    }
}

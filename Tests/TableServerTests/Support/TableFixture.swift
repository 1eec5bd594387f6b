import Discovery
import Logging
import TableServer
import MTASTS
import MetricsTestKit
import NIOCore
import NIOEmbedded
import PolicyCaching
import PolicyRuntime
import PostfixTable
import ServiceLifecycle
import TestSupport
import Testing

/// A policy service over scripted DNS and HTTPS, with connections and servers for it.
final class TableFixture: Sendable {
    let resolver = ScriptedResolver()
    let fetcher = ScriptedFetcher()
    let log = LogRecorder()
    let metrics = TestMetrics()
    let service: PolicyService
    /// Of connections and servers. At `debug` each lookup is logged, so that no reply is sent again without a new decision.
    private let logLevel: Logger.Level

    init(decisions: DecisionSettings = DecisionSettings(), logLevel: Logger.Level = .debug) {
        let clock = ManualTime()
        self.logLevel = logLevel
        service = PolicyService(
            discovery: PolicyDiscovery(resolver: resolver, fetcher: fetcher), decisions: decisions,
            logger: log.logger(), now: { clock.now })
    }

    func publish(_ name: String, policy: String = policyText()) {
        resolver.script(text: ["v=STSv1; id=1;"], at: "_mta-sts.\(name)")
        resolver.script("mta-sts.\(name)", type: .a, reply: .success(.records([[192, 88, 98, 1]])))
        fetcher.script("mta-sts.\(name)", reply: .success(policy))
    }

    /// Runs the service around a test.
    func run(_ test: @Sendable @escaping () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.service.run() }
            try await test()
            group.cancelAll()
        }
    }

    /// A connection without a socket. A test advances its clock.
    func connect(
        _ table: TableProtocol, settings: LookupSettings = LookupSettings()
    ) async throws -> NIOAsyncTestingChannel {
        let shared = ConnectionContext(settings, logger: log.logger(level: logLevel), metrics: metrics)
        return try await connect(table, shared: shared)
    }

    /// A connection that shares its context with others.
    func connect(_ table: TableProtocol, shared: ConnectionContext) async throws -> NIOAsyncTestingChannel {
        let service = service
        let logger = log.logger(level: logLevel)
        let channel = try await NIOAsyncTestingChannel { channel in
            try channel.pipeline.syncOperations.addHandler(
                ChannelSocket { socket, queue in
                    TableConnection(
                        table, socket: socket, service: service, shared: shared,
                        connection: Connection(queue: queue), logger: logger)
                })
        }
        try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1))
        return channel
    }

    /// Runs a whole server on free ports around a test, then stops it as SIGTERM does.
    func serve(
        socketmap: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 0)],
        tcpTable: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 0)], settings: LookupSettings = LookupSettings(),
        _ test: @Sendable @escaping ([Int]) async throws -> Void
    ) async throws {
        try await serve(socketmap: socketmap, tcpTable: tcpTable, settings: settings) { _, ports in
            try await test(ports)
        }
    }

    /// The same, for a test that changes the server.
    func serve(
        socketmap: [ListenAddress], tcpTable: [ListenAddress] = [], settings: LookupSettings = LookupSettings(),
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        _ test: @Sendable @escaping (LookupServer, [Int]) async throws -> Void
    ) async throws {
        let (ports, continuation) = AsyncStream<[Int]>.makeStream()
        let server = LookupServer(
            socketmap: socketmap, tcpTable: tcpTable, service: service, settings: settings,
            logger: log.logger(level: logLevel), metrics: metrics, sleep: sleep, onListening: { continuation.yield($0) }
        )
        let group = ServiceGroup(services: [service, server], logger: log.logger())
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { continuation.finish() }
                try await group.run()
            }
            for await bound in ports.prefix(1) { try await test(server, bound) }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}

extension NIOAsyncTestingChannel {
    func send(_ text: String) async throws {
        try await writeInbound(ByteBuffer(string: text))
    }

    /// The octets that were written since the last call.
    func written() async throws -> String { try await writes().joined() }

    /// The writes since the last call.
    func writes() async throws -> [String] {
        var writes: [String] = []
        while let buffer = try await readOutbound(as: ByteBuffer.self) { writes.append(String(buffer: buffer)) }
        expectGrammar(writes.joined())
        return writes
    }

    /// Waits for the next write that is not empty.
    func nextWrite() async throws -> String {
        while true {
            let buffer = try await waitForOutboundWrite(as: ByteBuffer.self)
            guard buffer.readableBytes > 0 else { continue }
            expectGrammar(String(buffer: buffer))
            return String(buffer: buffer)
        }
    }
}

/// Checks that Postfix accepts the replies. Every reply of every test goes through here.
func expectGrammar(_ replies: String) {
    #expect(ConversationGrammar.faults(in: replies.utf8) == [])
}

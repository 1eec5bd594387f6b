import AdminAPI
import AdminServer
import Discovery
import Foundation
import MTASTS
import NIOCore
import NIOPosix
import PolicyCaching
import PolicyRuntime
import ServiceLifecycle
import Testing
import TestSupport

/// The operator's API over a real unix socket, with a real policy service and scripted DNS and HTTPS behind it.
final class AdminFixture: Sendable {
    let resolver = ScriptedResolver()
    let fetcher = ScriptedFetcher()
    let validated = ScriptedValidatingResolver()
    let store: MemoryPolicyStore
    let clock = ManualTime()
    let log = LogRecorder()
    let policies: PolicyService
    let directory: String
    var path: String { directory + "/admin.sock" }

    init(store: MemoryPolicyStore = MemoryPolicyStore()) throws {
        self.store = store
        let clock = clock
        policies = PolicyService(
            discovery: PolicyDiscovery(resolver: resolver, fetcher: fetcher), dane: DANEDiscovery(resolver: validated),
            store: store, logger: log.logger(),
            now: { clock.now }, sleep: { try await clock.sleep($0) }, seed: 1)
        directory = NSTemporaryDirectory() + "sts-admin-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    func publish(_ name: String, id: String = "1", policy: String = policyText()) {
        resolver.script(text: ["v=STSv1; id=\(id);"], at: "_mta-sts.\(name)")
        resolver.script("mta-sts.\(name)", type: .a, reply: .success(.records([[192, 88, 98, 1]])))
        fetcher.script("mta-sts.\(name)", reply: .success(policy))
    }

    /// Makes a lookup like Postfix, and returns its decision.
    @discardableResult
    func lookUp(_ name: String) async throws -> Decision {
        let destination = Destination(domain: try domain(name))
        return await withCheckedContinuation { continuation in
            let lookup = policies.lookup(destination) { continuation.resume(returning: $0) }
            if case .decided(let decision) = lookup { continuation.resume(returning: decision) }
        }
    }

    var dependencies: AdminDependencies {
        let clock = clock
        return AdminDependencies(
            version: "9.9.9",
            runtime: {
                RuntimeSummary(
                    listeners: ["socketmap 127.0.0.1:8461"], upstreams: ["192.0.2.53"], dialect: "classic",
                    dane: .on)
            },
            destination: { key in PolicyDomain(key.lowercased()).map { Destination(domain: $0) } },
            replies: { decision, _ in ["classic": "\(decision.rule)", "sts": "\(decision.rule)"] },
            live: { key, destination in
                QueryReport(
                    key: key, domain: destination.domain.name.text, outcome: .noPolicy, rule: .noPolicy,
                    reply: "noPolicy", dialect: "classic")
            },
            reload: { () throws(ReloadError) in ReloadResponse(changed: ["log.level"], needsRestart: ["cache.path"]) },
            now: { clock.now })
    }

    /// Runs the service and the API during a test, then stops both like SIGTERM.
    func serve(
        socket: AdminSocket? = nil, dependencies: AdminDependencies? = nil,
        limits: AdminService.Limits = AdminService.Limits(),
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        _ test: @Sendable @escaping () async throws -> Void
    ) async throws {
        let (started, continuation) = AsyncStream<Void>.makeStream()
        let service = AdminService(
            policies, socket: socket ?? AdminSocket(path: path, group: nil),
            dependencies: dependencies ?? self.dependencies,
            limits: limits, logger: log.logger(), sleep: sleep, onListening: { continuation.yield() })
        try await run(service) {
            for await _ in started.prefix(1) { try await test() }
        }
    }

    /// Runs an API service, which may have no socket, and the policies during a test.
    func run(_ service: AdminService, _ test: @Sendable @escaping () async throws -> Void) async throws {
        let group = ServiceGroup(services: [policies, service], logger: log.logger(level: .critical))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            do {
                try await test()
            } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// Like `serve`, with a client.
    func withClient(
        dependencies: AdminDependencies? = nil, limits: AdminService.Limits = AdminService.Limits(),
        _ test: @Sendable @escaping (AdminClient) async throws -> Void
    ) async throws {
        try await serve(dependencies: dependencies, limits: limits) { [path] in
            try await test(AdminClient(path: path))
        }
    }
}

/// Sends octets that the real client would not send.
struct RawClient: Sendable {
    private let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>

    /// Connects, calls `use`, and closes.
    static func with<Result: Sendable>(
        path: String, _ use: (inout Conversation) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(unixDomainSocketPath: path) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var conversation = Conversation(inbound: inbound.makeAsyncIterator(), outbound: outbound)
            return try await use(&conversation)
        }
    }

    struct Conversation {
        var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
        let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>

        func send(_ text: String) async throws {
            try await outbound.write(ByteBuffer(string: text))
        }

        /// Returns the octets up to and including `end`, or up to the end of the stream.
        mutating func receive(until end: String) async throws -> String {
            var received = ""
            while !received.contains(end), let buffer = try await inbound.next() { received += String(buffer: buffer) }
            return received
        }

        /// Sends one request and returns its response.
        mutating func request(_ method: String, target: String, body: String? = nil) async throws -> Response {
            let length = body.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
            try await send("\(method) \(target) HTTP/1.1\r\nHost: x\r\n\(length)\r\n\(body ?? "")")
            var text = try await receive(until: "\r\n\r\n")
            let head = text.components(separatedBy: "\r\n\r\n")[0]
            let expected = head.lowercased().components(separatedBy: "content-length: ").dropFirst().first
                .flatMap { Int($0.prefix { $0.isNumber }) }
            while text.utf8.count < head.utf8.count + 4 + (expected ?? 0), let buffer = try await inbound.next() {
                text += String(buffer: buffer)
            }
            return Response(
                status: Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0, head: head,
                body: String(decoding: text.utf8.dropFirst(head.utf8.count + 4), as: UTF8.self))
        }
    }

    struct Response: Sendable {
        let status: Int
        let head: String
        let body: String

        var problem: ProblemDetails? { try? JSONDecoder().decode(ProblemDetails.self, from: Data(body.utf8)) }
    }
}

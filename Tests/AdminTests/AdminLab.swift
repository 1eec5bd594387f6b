import Admin
import Discovery
import Foundation
import MTASTS
import NIOCore
import NIOPosix
import PolicyService
import ServiceLifecycle
import Testing
import TestSupport

/// The operator's API over a real unix socket, a real policy service behind it, scripted DNS and HTTPS behind that.
final class AdminLab: Sendable {
    let resolver = ScriptedResolver()
    let fetcher = ScriptedFetcher()
    let validated = ScriptedValidatingResolver()
    let archive: MemoryArchive
    let clock = ManualTime()
    let log = LogRecorder()
    let policies: PolicyService
    let directory: String
    var path: String { directory + "/admin.sock" }

    init(archive: MemoryArchive = MemoryArchive()) throws {
        self.archive = archive
        let clock = clock
        policies = PolicyService(
            discovery: PolicyDiscovery(resolver: resolver, fetcher: fetcher), dane: DANEDiscovery(resolver: validated),
            archive: archive, logger: log.logger(),
            now: { clock.now }, sleep: { try await clock.sleep($0) }, seed: 1)
        directory = NSTemporaryDirectory() + "sts-admin-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    func publish(_ name: String, id: String = "1", policy: String = policyText()) {
        resolver.script(text: ["v=STSv1; id=\(id);"], at: "_mta-sts.\(name)")
        resolver.script("mta-sts.\(name)", .a, .success(.records([[192, 88, 98, 1]])))
        fetcher.script("mta-sts.\(name)", .success(policy))
    }

    /// A lookup of Postfix's, to its answer.
    @discardableResult
    func look(up name: String) async throws -> Decision {
        let destination = DANEDestination(domain: try domain(name))
        return await withCheckedContinuation { continuation in
            let lookup = policies.lookup(destination) { continuation.resume(returning: $0) }
            if case .decided(let decision) = lookup { continuation.resume(returning: decision) }
        }
    }

    var seams: AdminSeams {
        let clock = clock
        return AdminSeams(
            version: "9.9.9",
            setup: {
                SetupFacts(
                    listeners: ["socketmap 127.0.0.1:8461"], upstreams: ["192.0.2.53"], dialect: "classic",
                    dane: SetupFacts.on)
            },
            destination: { key in PolicyDomain(key.lowercased()).map { DANEDestination(domain: $0) } },
            replies: { decision, _ in ["classic": "\(decision.rule)", "sts": "\(decision.rule)"] },
            live: { key, destination in
                QueryReport(
                    key: key, domain: destination.domain.name.text, outcome: .noPolicy, rule: "no-policy",
                    reply: "noPolicy", dialect: "classic")
            },
            reload: { () throws(ReloadRefusal) in Reloaded(changed: ["log.level"], needsRestart: ["cache.path"]) },
            now: { clock.now })
    }

    /// Runs the service and the API around a test, then stops both as SIGTERM would.
    func serve(
        socket: AdminSocket? = nil, seams: AdminSeams? = nil, limits: AdminService.Limits = AdminService.Limits(),
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        _ test: @Sendable @escaping () async throws -> Void
    ) async throws {
        let (started, continuation) = AsyncStream<Void>.makeStream()
        let service = AdminService(
            policies, socket: socket ?? AdminSocket(path: path, group: nil), seams: seams ?? self.seams,
            limits: limits, logger: log.logger(), sleep: sleep, onListening: { continuation.yield() })
        try await run(service) {
            for await _ in started.prefix(1) { try await test() }
        }
    }

    /// Runs a service of the API, which may have no socket, and the policies around a test.
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

    /// As `serve`, with a client at hand.
    func ask(
        seams: AdminSeams? = nil, limits: AdminService.Limits = AdminService.Limits(),
        _ test: @Sendable @escaping (AdminClient) async throws -> Void
    ) async throws {
        try await serve(seams: seams, limits: limits) { [path] in
            try await AdminClient.with(path: path) { try await test($0) }
        }
    }
}

/// Octets over the socket, for what no client of ours would send.
struct RawClient: Sendable {
    private let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>

    /// Connects, lets `use` talk, and closes.
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

        /// What comes up to and with `end`, or to the end of the stream.
        mutating func receive(until end: String) async throws -> String {
            var received = ""
            while !received.contains(end), let buffer = try await inbound.next() { received += String(buffer: buffer) }
            return received
        }

        /// Sends one request and gives the response's status and body.
        mutating func request(_ method: String, _ target: String, _ body: String? = nil) async throws -> Response {
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

        var problem: Problem? { try? JSONDecoder().decode(Problem.self, from: Data(body.utf8)) }
    }
}

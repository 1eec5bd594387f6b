import LocalSystem
import Metrics
import NIOCore
import NIOPosix
import ServiceLifecycle
import TestSupport
import Synchronization
import Testing

@testable import Monitoring

@Suite(.timeLimit(.minutes(5))) struct MonitoringServerTests {
    private let registry = PrometheusRegistry(MetricTable.all)
    private let readiness = Readiness()
    private let log = LogRecorder()

    /// Runs a server on a free port around a test, then stops it as SIGTERM does.
    private func serve(
        on addresses: [TCPAddress] = [TCPAddress(host: "127.0.0.1", port: 0)],
        settings: MonitoringSettings = MonitoringSettings(), gather: @escaping @Sendable () async -> Void = {},
        beside services: [any Service] = [], _ test: @Sendable @escaping ([Int], ServiceGroup) async throws -> Void
    ) async throws {
        let (ports, continuation) = AsyncStream<[Int]>.makeStream()
        let server = MonitoringServer(
            addresses, registry: registry, readiness: readiness, settings: settings,
            group: MultiThreadedEventLoopGroup.singleton, logger: log.logger(), gather: gather,
            onListening: { continuation.yield($0) })
        let group = ServiceGroup(services: [server] + services, logger: log.logger())
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { continuation.finish() }
                try await group.run()
            }
            for await bound in ports.prefix(1) { try await test(bound, group) }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    private func ready() {
        for condition in Readiness.Condition.allCases { readiness.fulfil(condition) }
    }

    // MARK: Pages

    @Test func `metrics is the registry's page in the text format, after gathering`() async throws {
        let meter = Meter(label: "sts_bridge_failing_domains", factory: registry)
        try await serve(gather: { meter.set(3) }) { ports, _ in
            let response = try await PageResponse.to("/metrics", port: ports[0])
            #expect(response.status == 200)
            #expect(response.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(response.body == registry.text())
            #expect(response.body.contains("\nsts_bridge_failing_domains 3\n"))
        }
    }

    @Test func `healthz is 200 while the process runs, ready or not`() async throws {
        try await serve { ports, _ in
            let response = try await PageResponse.to("/healthz", port: ports[0])
            #expect(response.status == 200)
            #expect(response.body == "ok\n")
        }
    }

    @Test func `readyz is 503 with the reason in one line, and 200 when the daemon is ready`() async throws {
        try await serve { ports, _ in
            let before = try await PageResponse.to("/readyz", port: ports[0])
            #expect(before.status == 503)
            #expect(before.body == "not ready: not all listeners are bound yet\n")
            ready()
            let after = try await PageResponse.to("/readyz", port: ports[0])
            #expect(after.status == 200)
            #expect(after.body == "ready\n")
        }
    }

    @Test func `readyz is 503 while other services stop, and the server runs until they have`() async throws {
        ready()
        let gate = Gate()
        let lingering = LingeringService(gate: gate)
        try await serve(beside: [lingering, readiness]) { ports, group in
            await group.triggerGracefulShutdown()
            await gate.arrivals()
            let response = try await PageResponse.to("/readyz", port: ports[0])
            #expect(response.status == 503)
            #expect(response.body == "not ready: stopping, pending lookups are answered\n")
            let health = try await PageResponse.to("/healthz", port: ports[0])
            #expect(health.status == 200)
            gate.open()
        }
    }

    @Test(arguments: ["/metrics", "/healthz", "/readyz"])
    func `HEAD is GET without the body`(path: String) async throws {
        try await serve { ports, _ in
            let get = try await PageResponse.to(path, port: ports[0])
            let head = try await PageResponse.to(path, method: "HEAD", port: ports[0])
            #expect(head.status == get.status)
            #expect(head.body == "")
            #expect(head.fields["content-length"] == "\(get.body.utf8.count)")
        }
    }

    @Test(arguments: ["/", "/metrics/", "/metric", "//metrics", "/METRICS", "/../metrics", "/x%0d%0ay"])
    func `any other path is 404 and is not repeated`(path: String) async throws {
        try await serve { ports, _ in
            let response = try await PageResponse.to(path, port: ports[0])
            #expect(response.status == 404)
            #expect(response.body == "not found\n")
        }
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    func `any other method is 405 with the allowed ones`(method: String) async throws {
        try await serve { ports, _ in
            let response = try await PageResponse.to("/metrics", method: method, port: ports[0], body: "x=1")
            #expect(response.status == 405)
            #expect(response.fields["allow"] == "GET, HEAD")
        }
    }

    // MARK: Limits

    @Test(arguments: ["GET /", "GET /metrics HTTP/1.1\r\nX: "])
    func `a head that is too long is refused`(start: String) async throws {
        try await serve { ports, _ in
            let answer = try await HTTPConversation.with(port: ports[0]) { conversation in
                try await conversation.send(start + String(repeating: "a", count: 20_000))
                return await conversation.receiveAll()
            }
            #expect(answer.hasPrefix("HTTP/1.1 400 "), "\(answer)")
        }
    }

    @Test func `a request that is not HTTP is refused`() async throws {
        try await serve { ports, _ in
            let answer = try await HTTPConversation.with(port: ports[0]) { conversation in
                try await conversation.send("get example.com\n\n")
                return await conversation.receiveAll()
            }
            #expect(!answer.contains("200"))
        }
    }

    @Test func `a connection ends after its lifetime, whatever its peer does`() async throws {
        var settings = MonitoringSettings()
        settings.lifetime = .milliseconds(50)
        try await serve(settings: settings) { ports, _ in
            // An incomplete body, an incomplete request line, and no request.
            for start in ["POST /metrics HTTP/1.1\r\nContent-Length: 10\r\n\r\n12", "GET /me", ""] {
                _ = try await HTTPConversation.with(port: ports[0]) { conversation in
                    // The lifetime may end before this.
                    try? await conversation.send(start)
                    return await conversation.receiveAll()
                }
            }
        }
    }

    @Test func `an idle connection is closed`() async throws {
        var settings = MonitoringSettings()
        settings.idleTimeout = .milliseconds(50)
        try await serve(settings: settings) { ports, _ in
            // Sends nothing: a request could arrive too late.
            let answer = try await HTTPConversation.with(port: ports[0]) { conversation in
                await conversation.receiveAll()
            }
            #expect(answer.isEmpty)
        }
    }

    @Test func `at the limit a connection waits until another ends`() async throws {
        var settings = MonitoringSettings()
        settings.maximumConnections = 1
        let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        try await serve(settings: settings) { ports, _ in
            let answer = try await withThrowingTaskGroup(of: String.self) { tasks in
                let (answered, continuation) = AsyncStream<Void>.makeStream()
                try await HTTPConversation.with(port: ports[0]) { first in
                    try await first.send(request)
                    _ = await first.receive(until: "ok\n")
                    tasks.addTask {
                        try await HTTPConversation.with(port: ports[0]) { second in
                            try await second.send(request)
                            let text = await second.receive(until: "ok\n")
                            continuation.yield()
                            return text
                        }
                    }
                    // The first connection is still served, and the second one is not.
                    for _ in 0..<20 {
                        try await first.send(request)
                        _ = await first.receive(until: "ok\n")
                    }
                    continuation.finish()
                    var early = 0
                    for await _ in answered { early += 1 }
                    #expect(early == 0)
                }
                return try await tasks.next() ?? ""
            }
            #expect(answer.hasSuffix("ok\n"))
        }
    }

    @Test func `a peer that does not read its response does not delay the stop`() async throws {
        // More than two socket buffers can hold.
        let version = String(repeating: "1", count: 16_000_000)
        Meter(label: "sts_bridge_build_info", dimensions: [("version", version)], factory: registry).set(1)
        let (asked, stopped) = (Gate(), Gate())
        let (ports, continuation) = AsyncStream<Int>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                try await serve(gather: { asked.open() }) { bound, _ in
                    continuation.yield(bound[0])
                    continuation.finish()
                    await asked.pass()
                }
                stopped.open()
            }
            for await port in ports {
                try await HTTPConversation.with(port: port) { conversation in
                    try await conversation.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                    await stopped.pass()
                }
            }
            try await tasks.waitForAll()
        }
    }

    // MARK: Addresses

    @Test func `several addresses serve the same, IPv6 among them`() async throws {
        let addresses = [TCPAddress(host: "127.0.0.1", port: 0), TCPAddress(host: "::1", port: 0)]
        try await serve(on: addresses) { ports, _ in
            #expect(ports.count == 2)
            let first = try await PageResponse.to("/healthz", port: ports[0])
            let second = try await PageResponse.to("/healthz", port: ports[1], host: "::1")
            #expect([first.status, second.status] == [200, 200])
        }
    }

    @Test func `an address in use ends the start with an error that says what to do`() async throws {
        try await serve { ports, _ in
            let address = TCPAddress(host: "127.0.0.1", port: ports[0])
            let second = MonitoringServer(
                [address, TCPAddress(host: "127.0.0.1", port: 0)], registry: registry, readiness: readiness,
                group: MultiThreadedEventLoopGroup.singleton, logger: log.logger())
            let failure = await #expect(throws: MonitoringError.self) { try await second.run() }
            #expect(
                failure?.description == """
                    cannot serve http on 127.0.0.1:\(ports[0]): Address already in use; stop the other process or choose \
                    another port under http.listen
                    """)
        }
    }

    @Test func `an address of another daemon on the same cache file is waited for`() async throws {
        let (bound, onBound) = AsyncStream<Int>.makeStream()
        let (postponed, onPostponed) = AsyncStream<Void>.makeStream()
        let started = Mutex<(task: Task<Void, any Error>, port: Int)?>(nil)
        try await serve { ports, _ in
            let second = SharedMonitoring(
                MonitoringServer(
                    [TCPAddress(host: "127.0.0.1", port: ports[0])], registry: registry, readiness: readiness,
                    group: MultiThreadedEventLoopGroup.singleton, logger: log.logger(),
                    onListening: { onBound.yield($0[0]) }),
                logger: log.logger(), isShared: { true }, waitUntilServing: {}, onPostponed: { onPostponed.finish() })
            let task = Task { try await second.run() }
            started.withLock { $0 = (task, ports[0]) }
            for await _ in postponed {}
        }
        let waiting = started.withLock { $0 }
        let (task, port) = try #require(waiting)
        for await second in bound.prefix(1) { #expect(second == port) }
        let page = try await PageResponse.to("/healthz", port: port)
        #expect(page.status == 200)
        task.cancel()
        _ = await task.result
        #expect(log.messages.count { $0 == "http.listen is in use by another process, waiting for it" } == 1)
    }

    @Test func `once it waits for its address, no other error ends the daemon`() async throws {
        let address = TCPAddress(host: "127.0.0.1", port: 1)
        let errors = [EADDRINUSE, EMFILE, EADDRNOTAVAIL].map {
            MonitoringError(address, reason: IOError(errnoCode: $0, reason: ""))
        }
        let attempts = Mutex(0)
        let shared = SharedMonitoring(
            serve: {
                let number = attempts.withLock { attempts in
                    defer { attempts += 1 }
                    return attempts
                }
                if number < errors.count { throw errors[number] }
            }, logger: log.logger(), isShared: { true }, waitUntilServing: {}, onPostponed: {})
        try await shared.run()
        let count = attempts.withLock(\.self)
        #expect(count == 4)
        #expect(log.messages.count { $0 == "http.listen is in use by another process, waiting for it" } == 1)
    }

    @Test func `without another daemon an address in use ends the start`() async throws {
        try await serve { ports, _ in
            let second = SharedMonitoring(
                MonitoringServer(
                    [TCPAddress(host: "127.0.0.1", port: ports[0])], registry: registry, readiness: readiness,
                    group: MultiThreadedEventLoopGroup.singleton, logger: log.logger()),
                logger: log.logger(), isShared: { false }, waitUntilServing: {}, onPostponed: {})
            await #expect(throws: MonitoringError.self) { try await second.run() }
        }
    }

    @Test func `an address of another host and an unknown name are errors too`() async throws {
        for (host, reason) in [("192.0.2.1", "this host does not have the address"), ("no.such.invalid", "")] {
            let server = MonitoringServer(
                [TCPAddress(host: host, port: 0)], registry: registry, readiness: readiness,
                group: MultiThreadedEventLoopGroup.singleton, logger: log.logger())
            let failure = await #expect(throws: MonitoringError.self) { try await server.run() }
            #expect(failure?.description.contains("cannot serve http on \(host):0: ") == true)
            #expect(failure?.description.hasSuffix(reason) == true, "\(failure?.description ?? "")")
        }
    }
}

/// Goes on after the shutdown began, until a test opens the gate.
private struct LingeringService: Service {
    let gate: Gate

    func run() async {
        try? await gracefulShutdown()
        await gate.pass()
    }
}

import Discovery
import PolicyService
import Synchronization
import TestSupport
import Testing

/// Steps of the wall clock under a service that runs.
@Suite(.timeLimit(.minutes(5))) struct ClockServiceTests {
    /// Both clocks of a host. The wall clock can be set, the time since boot cannot.
    private final class Clocks: Sendable {
        let time = ManualTime()
        private let start: WallTime
        private let shift = Mutex(Duration.zero)

        init() { start = time.now }

        var wall: WallTime { time.now + shift.withLock { $0 } }
        var sinceBoot: Duration { time.now - start }

        func set(by step: Duration) { shift.withLock { $0 += step } }
    }

    private static let back = "clock was set back: check this host's time synchronization"
    private static let forward = "clock was set forward: check this host's time synchronization"
    private static let behind =
        "policies were fetched in the future, the clock is behind: they apply and are fetched again"

    private let clocks = Clocks()
    private let log = LogRecorder()

    private func service(_ archive: MemoryArchive) -> PolicyService {
        let clocks = clocks
        return PolicyService(
            discovery: PolicyDiscovery(resolver: ScriptedResolver(), fetcher: ScriptedFetcher()), archive: archive,
            logger: log.logger(), now: { clocks.wall }, bootTime: { clocks.sinceBoot },
            sleep: { try await clocks.time.sleep($0) }, seed: 1)
    }

    private func run(_ archive: MemoryArchive, _ test: (PolicyService) async throws -> Void) async throws {
        let service = service(archive)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await service.run() }
            await log.appearance(of: "policies loaded")
            try await test(service)
            group.cancelAll()
        }
    }

    /// Lets looks at the clock pass until the log has a message.
    private func pass(until message: String) async {
        while !log.messages.contains(message) { await clocks.time.pass(.seconds(5)) }
    }

    private var clockLines: [LogRecorder.Entry] {
        log.entries.filter { [Self.back, Self.forward, Self.behind].contains($0.message) }
    }

    private func answer(of service: PolicyService) async throws -> Decision {
        let domain = try domain("example.com")
        return await withCheckedContinuation { continuation in
            if case .decided(let decision) = service.lookup(
                DANEDestination(domain: domain), whenLanded: { continuation.resume(returning: $0) })
            {
                continuation.resume(returning: decision)
            }
        }
    }

    @Test func `STS-10.2-d each step of the clock is one warning, and takes no policy`() async throws {
        let archive = MemoryArchive([try archived("example.com", at: clocks.wall + .seconds(-3_600))])
        try await run(archive) { service in
            await clocks.time.pass(.seconds(5))
            for message in [Self.back, Self.forward] {
                clocks.set(by: .seconds(30 * 86_400) * (message == Self.back ? -1 : 1))
                await pass(until: message)
                let decision = try await answer(of: service)
                #expect(decision.rule == .enforce, "\(message)")
            }
            // Nothing is left to be said.
            for _ in 1...20 { await clocks.time.pass(.seconds(5)) }
        }
        let lines = clockLines
        #expect(lines.map(\.message) == [Self.back, Self.forward])
        #expect(lines.allSatisfy { $0.level == .warning && $0.facts["seconds"] == "2592000" })
        let ahead = try #require(lines.first?.facts["fetched-ahead"].flatMap { Int($0) })
        #expect((2_588_300...2_588_400).contains(ahead), "30 days less the hour, and less the looks at the clock")
        #expect(lines.last?.facts["fetched-ahead"] == nil)
        let row = try #require(archive[domain("example.com")])
        #expect(row.fetchedAt == ManualTime().now + .seconds(-3_600))
        #expect(row.clockBehindSince == nil)
    }

    @Test func `a start with a clock that is behind is one warning, and its correction another`() async throws {
        let archive = MemoryArchive([try archived("example.com", at: clocks.wall + .seconds(365 * 86_400))])
        try await run(archive) { _ in
            await pass(until: Self.behind)
            clocks.set(by: .seconds(365 * 86_400))
            await pass(until: Self.forward)
            for _ in 1...20 { await clocks.time.pass(.seconds(5)) }
        }
        #expect(clockLines.map(\.message) == [Self.behind, Self.forward])
    }

    @Test func `what NTP does all the time, and a host that slept, are no steps`() async throws {
        try await run(MemoryArchive([try archived("example.com", at: clocks.wall)])) { _ in
            await clocks.time.pass(.seconds(5))
            for step in [Duration.seconds(59), .seconds(-59), .milliseconds(500)] {
                clocks.set(by: step)
                await clocks.time.pass(.seconds(5))
                await clocks.time.pass(.seconds(5))
            }
            await clocks.time.pass(.seconds(86_400), onceAsleepFor: .seconds(5))
            for _ in 1...3 { await clocks.time.pass(.seconds(5)) }
        }
        #expect(clockLines.map(\.message) == [])
    }
}

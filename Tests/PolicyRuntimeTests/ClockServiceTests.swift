import Discovery
import PolicyCaching
import PolicyRuntime
import Synchronization
import TestSupport
import Testing
import TextFormats

/// Steps of the system clock while the service runs.
@Suite(.timeLimit(.minutes(5))) struct ClockServiceTests {
    /// Both clocks of a host. The system clock can be set, the time since boot cannot.
    private final class Clocks: Sendable {
        let time = ManualTime()
        private let start: WallTime
        private let shift = Mutex(Duration.zero)

        init() { start = time.now }

        var system: WallTime { time.now + shift.withLock { $0 } }
        var sinceBoot: Duration { time.now - start }

        func set(by step: Duration) { shift.withLock { $0 += step } }
    }

    private static let back = "clock was set back: check this host's time synchronization"
    private static let forward = "clock was set forward: check this host's time synchronization"
    private static let behind =
        "clock is behind the fetch times of policies: they apply and are fetched again"

    private let clocks = Clocks()
    private let log = LogRecorder()

    private func service(_ store: MemoryPolicyStore) -> PolicyService {
        let clocks = clocks
        return PolicyService(
            discovery: PolicyDiscovery(resolver: ScriptedResolver(), fetcher: ScriptedFetcher()), store: store,
            logger: log.logger(), now: { clocks.system }, bootTime: { clocks.sinceBoot },
            sleep: { try await clocks.time.sleep($0) }, seed: 1)
    }

    private func run(_ store: MemoryPolicyStore, _ test: (PolicyService) async throws -> Void) async throws {
        let service = service(store)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await service.run() }
            await log.appearance(of: "policies loaded")
            try await test(service)
            group.cancelAll()
        }
    }

    /// Passes check intervals until the log has a message.
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
                Destination(domain: domain), onDecision: { continuation.resume(returning: $0) })
            {
                continuation.resume(returning: decision)
            }
        }
    }

    @Test func `STS-10.2-d each step of the clock is one warning and removes no policy`() async throws {
        let store = MemoryPolicyStore([try storedPolicy("example.com", at: clocks.system + .seconds(-3_600))])
        try await run(store) { service in
            await clocks.time.pass(.seconds(5))
            for message in [Self.back, Self.forward] {
                clocks.set(by: .seconds(30 * 86_400) * (message == Self.back ? -1 : 1))
                await pass(until: message)
                let decision = try await answer(of: service)
                #expect(decision.rule == .enforce, "\(message)")
            }
            // There is nothing more to log.
            for _ in 1...20 { await clocks.time.pass(.seconds(5)) }
        }
        let lines = clockLines
        #expect(lines.map(\.message) == [Self.back, Self.forward])
        #expect(lines.allSatisfy { $0.level == .warning && $0.facts["seconds"] == "2592000" })
        let ahead = try #require(lines.first?.facts["fetched-ahead"].flatMap { Int($0) })
        #expect((2_588_300...2_588_400).contains(ahead), "30 days less the hour, and less the looks at the clock")
        #expect(lines.last?.facts["fetched-ahead"] == nil)
        let row = try #require(store[domain("example.com")])
        #expect(row.fetchedAt == ManualTime().now + .seconds(-3_600))
        #expect(row.clockBehindSince == nil)
    }

    @Test func `a step of the clock is logged before the expiries that follow from it`() async throws {
        let expired = "enforced policy expired, mail is sent without it"
        try await run(MemoryPolicyStore([try storedPolicy("example.com", at: clocks.system)])) { _ in
            // Two passes: the first may end the wait for the overrides.
            for _ in 1...2 { await clocks.time.pass(.seconds(5)) }
            clocks.set(by: .seconds(30 * 86_400))
            await pass(until: expired)
        }
        let messages = log.messages.filter { [Self.forward, expired].contains($0) }
        #expect(messages == [Self.forward, expired])
    }

    @Test func `a start with a clock that is behind is one warning, its correction is another`() async throws {
        let store = MemoryPolicyStore([try storedPolicy("example.com", at: clocks.system + .seconds(365 * 86_400))])
        try await run(store) { _ in
            await pass(until: Self.behind)
            clocks.set(by: .seconds(365 * 86_400))
            await pass(until: Self.forward)
            for _ in 1...20 { await clocks.time.pass(.seconds(5)) }
        }
        #expect(clockLines.map(\.message) == [Self.behind, Self.forward])
    }

    @Test func `corrections by NTP and a suspended host are not steps`() async throws {
        try await run(MemoryPolicyStore([try storedPolicy("example.com", at: clocks.system)])) { _ in
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

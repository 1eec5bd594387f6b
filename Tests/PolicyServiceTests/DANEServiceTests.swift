import DANE
import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// A policy and a DANE finding are found out side by side, and a decision waits for both.
@Suite(.timeLimit(.minutes(1))) struct DANEServiceTests {
    /// A service over scripted DNS, validated DNS and HTTPS.
    private final class Lab: Sendable {
        let resolver = ScriptedResolver()
        let validated = ScriptedValidatingResolver()
        let fetcher = ScriptedFetcher()
        let clock = ManualTime()
        let service: PolicyService

        init() {
            let clock = clock
            service = PolicyService(
                discovery: PolicyDiscovery(resolver: resolver, fetcher: fetcher),
                dane: DANEDiscovery(resolver: validated), logger: LogRecorder().logger(), now: { clock.now },
                sleep: { try await clock.sleep($0) }, seed: 1)
            resolver.script(text: ["v=STSv1; id=1;"], at: "_mta-sts.example.com", timeToLive: 3_600)
            resolver.script("mta-sts.example.com", .a, .success(.records([[192, 88, 98, 1]])))
            fetcher.script("mta-sts.example.com", .success(policyText()))
            validated.script("example.com", .mx, .secure(.records([mxData(10, "mx.example.com")])))
            validated.script("mx.example.com", .a, .secure(.records([[192, 88, 98, 2]])))
            validated.script("mx.example.com", .aaaa, .secure(.noData))
            script(tlsa: .secure(.records([[3, 1, 1] + Array(repeating: 7, count: 32)])))
        }

        func script(tlsa reply: ScriptedValidatingResolver.Reply) {
            validated.script("_25._tcp.mx.example.com", .tlsa, reply)
        }

        func answer(port: UInt16 = 25) async throws -> Decision {
            let destination = DANEDestination(domain: try domain("example.com"), port: port)
            return await withCheckedContinuation { continuation in
                if case .decided(let decision) = service.lookup(
                    destination, whenLanded: { continuation.resume(returning: $0) })
                {
                    continuation.resume(returning: decision)
                }
            }
        }

        func expect(_ rule: Decision.Rule, port: UInt16 = 25, at location: SourceLocation = #_sourceLocation)
            async throws
        {
            let decision = try await answer(port: port)
            #expect(decision.rule == rule, sourceLocation: location)
        }

        func run(_ test: @Sendable @escaping () async throws -> Void) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await self.service.run() }
                try await test()
                group.cancelAll()
            }
        }
    }

    @Test func `STS-2-a where DANE protects every host an enforced policy does not override it`() async throws {
        let lab = Lab()
        lab.service.useDANE(true)
        try await lab.run {
            let decision = try await lab.answer()
            #expect(decision == Decision(rule: .dane, action: .daneOnly))
            let hit = lab.service.decision(for: DANEDestination(domain: try domain("example.com")))
            #expect(hit == decision)
        }
    }

    @Test func `nothing is asked about DANE before it is used, and its switching works at once`() async throws {
        let lab = Lab()
        try await lab.run {
            try await lab.expect(.enforce)
            #expect(lab.validated.asked.isEmpty)
            lab.service.useDANE(true)
            try await lab.expect(.dane)
            lab.service.useDANE(false)
            try await lab.expect(.enforce)
        }
    }

    @Test func `a fresh finding overrides a cached policy at once`() async throws {
        let lab = Lab()
        lab.service.useDANE(true)
        lab.script(tlsa: .secure(.noData))
        try await lab.run {
            try await lab.expect(.enforce)
            lab.script(tlsa: .secure(.records([[3, 1, 1] + Array(repeating: 7, count: 32)])))
            lab.clock.advance(.seconds(300))
            try await lab.expect(.dane)
            #expect(lab.resolver.count("_mta-sts.example.com", .txt) == 1)
        }
    }

    @Test
    func
        `DANE-2.1.2-c a TLSA query that fails below a signed address holds the mail of an enforced domain, with the query`()
        async throws
    {
        let lab = Lab()
        lab.service.useDANE(true)
        lab.script(tlsa: .failure(.responseCode(2)))
        try await lab.run {
            let decision = try await lab.answer()
            #expect(decision.rule == .daneUnknown)
            guard case .deferred(.dane(let reason)) = decision.action else { throw Unexpected(what: "\(decision)") }
            #expect(reason.hasPrefix("_25._tcp.mx.example.com TLSA: SERVFAIL"))
        }
    }

    @Test func `who cannot wait for DANE hears the policy`() async throws {
        let lab = Lab()
        lab.service.useDANE(true)
        let gate = lab.validated.hold("example.com", .mx)
        let destination = DANEDestination(domain: try domain("example.com"))
        try await lab.run {
            async let patient = lab.answer()
            await gate.arrivals()
            while lab.fetcher.requests.isEmpty { await Task.yield() }
            guard case .waiting(let waiter, nil) = lab.service.lookup(destination, whenLanded: { _ in }) else {
                throw Unexpected(what: "not waiting")
            }
            #expect(lab.service.giveUp(waiter) != nil)
            #expect(lab.service.giveUp(waiter) == nil)
            gate.open()
            let decision = try await patient
            #expect(decision.rule == .dane)
        }
    }

    @Test func `each port has a finding of its own, and one policy serves all`() async throws {
        let lab = Lab()
        lab.service.useDANE(true)
        lab.validated.script("_2525._tcp.mx.example.com", .tlsa, .secure(.noData))
        try await lab.run {
            try await lab.expect(.dane)
            try await lab.expect(.enforce, port: 2_525)
            #expect(lab.fetcher.requests.count == 1)
        }
    }
}

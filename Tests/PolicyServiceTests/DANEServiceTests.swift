import DANE
import Discovery
import MTASTS
import PolicyService
import Synchronization
import Testing
import TestSupport

/// A policy and a DANE finding are found out side by side, and a decision waits for both.
@Suite(.timeLimit(.minutes(5))) struct DANEServiceTests {
    /// A service over scripted DNS, validated DNS and HTTPS.
    private final class Lab: Sendable {
        let resolver = ScriptedResolver()
        let validated = ScriptedValidatingResolver()
        let fetcher = ScriptedFetcher()
        let clock = ManualTime()
        let service: PolicyService

        init(_ decisions: DecisionSettings = DecisionSettings()) {
            let clock = clock
            service = PolicyService(
                discovery: PolicyDiscovery(resolver: resolver, fetcher: fetcher),
                dane: DANEDiscovery(resolver: validated), decisions: decisions, logger: LogRecorder().logger(),
                now: { clock.now },
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
            while lab.fetcher.requests.isEmpty, !Task.isCancelled { await Task.yield() }
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

    // MARK: A discovery that is not finished

    /// What a lookup gets that gives up while the gate is closed, and what one that waits gets after that.
    private func decisions(_ lab: Lab, at gate: Gate) async throws -> (unfinished: Decision, finished: Decision) {
        let destination = DANEDestination(domain: try domain("example.com"))
        let decisions = Mutex<(unfinished: Decision, finished: Decision)?>(nil)
        try await lab.run {
            // The policy is known, so that only DANE is missing.
            _ = try await lab.answer()
            lab.service.useDANE(true)
            async let patient = lab.answer()
            await gate.arrivals()
            guard case .waiting(let waiter, nil) = lab.service.lookup(destination, whenLanded: { _ in }) else {
                throw Unexpected(what: "not waiting")
            }
            let unfinished = try #require(lab.service.giveUp(waiter))
            gate.open()
            let finished = try await patient
            decisions.withLock { $0 = (unfinished, finished) }
        }
        let both = decisions.withLock { $0 }
        return try #require(both)
    }

    @Test func `DANE-2.2-d who gives up while TLSA is open gets dane, and TEMP beside an enforced policy`() async throws
    {
        let lab = Lab()
        let gate = lab.validated.hold("_25._tcp.mx.example.com", .tlsa)
        let enforced = try await decisions(lab, at: gate)
        let reason = "_25._tcp.mx.example.com TLSA: not answered yet"
        #expect(enforced.finished == Decision(rule: .dane, action: .daneOnly))
        #expect(enforced.unfinished == Decision(rule: .daneUnknown, action: .deferred(.dane(reason))))

        let plain = Lab(DecisionSettings(noPolicyReply: .none))
        plain.resolver.script("_mta-sts.example.com", .txt, .success(.nameError))
        let second = plain.validated.hold("_25._tcp.mx.example.com", .tlsa)
        let without = try await decisions(plain, at: second)
        #expect(without.unfinished == Decision(rule: .daneUnknown, action: .dane))
        #expect(without.finished == Decision(rule: .dane, action: .dane))
    }

    @Test(arguments: [RecordType.mx, .a])
    func `an unsigned domain is not held by an unfinished discovery, and its TLS is not switched off by one`(
        open: RecordType
    ) async throws {
        let lab = Lab(DecisionSettings(noPolicyReply: .none))
        lab.resolver.script("_mta-sts.example.com", .txt, .success(.nameError))
        lab.validated.script("example.com", .mx, .insecure(.records([mxData(10, "mx.example.com")])))
        lab.validated.script("mx.example.com", .a, .insecure(.records([[192, 88, 98, 2]])))
        let gate = lab.validated.hold(open == .mx ? "example.com" : "mx.example.com", open)
        let decisions = try await decisions(lab, at: gate)
        #expect(decisions.unfinished.action == .notFound)
        #expect(decisions.finished == Decision(rule: .noPolicy, action: .cleartext))
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

    // MARK: The operator

    @Test func `a finding is explained with each answer of DNS, and until when it counts`() async throws {
        let lab = Lab()
        lab.service.useDANE(true)
        let destination = DANEDestination(domain: try domain("example.com"))
        try await lab.run {
            try await lab.expect(.dane)
            let explanation = await lab.service.explain(destination)
            #expect(explanation.decision == Decision(rule: .dane, action: .daneOnly))
            let dane = try #require(explanation.dane)
            #expect(dane.standing == .known(.complete, reason: nil))
            #expect(dane.finding?.hosts.map(\.name) == ["mx.example.com"])
            #expect(dane.report?.steps.map(\.question.type) == [.mx, .a, .aaaa, .tlsa])
            #expect(dane.at == lab.clock.now && dane.freshUntil == lab.clock.now + .seconds(300))
            #expect(dane.usableUntil == lab.clock.now + .seconds(3_900))
            let other = await lab.service.explain(DANEDestination(domain: destination.domain, port: 2_525))
            #expect(other.dane?.finding == nil && other.dane?.report == nil)
            lab.service.useDANE(false)
            let without = await lab.service.explain(destination)
            #expect(without.dane == nil && without.decision.rule == .enforce)
        }
    }

    @Test func `a question about DANE that failed is among the failures`() async throws {
        let lab = Lab()
        lab.service.useDANE(true)
        lab.script(tlsa: .failure(.responseCode(2)))
        try await lab.run {
            try await lab.expect(.daneUnknown)
            let explanation = await lab.service.explain(DANEDestination(domain: try domain("example.com")))
            guard case .dane(let failure, port: 25) = explanation.failures.first?.kind else {
                throw Unexpected(what: "\(explanation.failures)")
            }
            #expect(failure.question.type == .tlsa)
        }
    }

    @Test func `forgetting takes the findings of all ports, and they are asked for anew`() async throws {
        let lab = Lab()
        lab.service.useDANE(true)
        try await lab.run {
            try await lab.expect(.dane)
            try await lab.expect(.enforce, port: 2_525)
            let asked = lab.validated.asked.count
            let name = try domain("example.com")
            let (wasKnown, _) = await lab.service.forget(name)
            #expect(wasKnown)
            for port in [UInt16(25), 2_525] {
                let explanation = await lab.service.explain(DANEDestination(domain: name, port: port))
                #expect(explanation.dane?.finding == nil && explanation.dane?.report == nil)
            }
            try await lab.expect(.dane)
            #expect(lab.validated.asked.count > asked)
            let census = await lab.service.census()
            #expect(census.findings == 1)
        }
    }

    @Test func `what a DANE discovery that is under way brings after forgetting is kept`() async throws {
        let lab = Lab()
        lab.service.useDANE(true)
        let gate = lab.validated.hold("example.com", .mx)
        try await lab.run {
            async let answer = lab.answer()
            await gate.arrivals()
            _ = await lab.service.forget(try domain("example.com"))
            gate.open()
            let decision = try await answer
            #expect(decision.rule == .dane)
            // Of the policy nothing can be said: its discovery may have ended before or after the forgetting.
            let explanation = await lab.service.explain(DANEDestination(domain: try domain("example.com")))
            #expect(explanation.dane?.finding != nil)
        }
    }

    @Test func `an exempted domain is answered at once, and its findings are fresh when that ends`() async throws {
        let lab = Lab()
        lab.service.useDANE(true)
        let gate = lab.validated.hold("example.com", .mx)
        let until = lab.clock.now + .seconds(60)
        let override = try order(
            .exempt(mayEncrypt: false), "example.com", since: lab.clock.now, until: until)
        try await lab.run {
            _ = try await lab.service.order(override)
            try await lab.expect(.exempt)
            await gate.arrivals()
            gate.open()
            lab.clock.advance(.seconds(60))
            try await lab.expect(.dane)
            #expect(lab.validated.asked.count { $0.type == .mx } == 1)
        }
    }
}

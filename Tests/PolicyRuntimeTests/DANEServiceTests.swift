import DANE
import Discovery
import MTASTS
import PolicyCaching
import PolicyRuntime
import Synchronization
import Testing
import TestSupport
import TextFormats

/// A policy and DANE are looked up at the same time, and a decision waits for both.
@Suite(.timeLimit(.minutes(5))) struct DANEServiceTests {
    /// A service over scripted DNS, validated DNS and HTTPS.
    private final class Fixture: Sendable {
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
            resolver.script("mta-sts.example.com", type: .a, reply: .success(.records([[192, 88, 98, 1]])))
            fetcher.script("mta-sts.example.com", reply: .success(policyText()))
            validated.script("example.com", type: .mx, reply: .secure(.records([mxData(10, name: "mx.example.com")])))
            validated.script("mx.example.com", type: .a, reply: .secure(.records([[192, 88, 98, 2]])))
            validated.script("mx.example.com", type: .aaaa, reply: .secure(.noData))
            script(tlsa: .secure(.records([[3, 1, 1] + Array(repeating: 7, count: 32)])))
        }

        func script(tlsa reply: ScriptedValidatingResolver.Reply) {
            validated.script("_25._tcp.mx.example.com", type: .tlsa, reply: reply)
        }

        func answer(port: UInt16 = 25) async throws -> Decision {
            let destination = Destination(domain: try domain("example.com"), port: port)
            return await withCheckedContinuation { continuation in
                if case .decided(let decision) = service.lookup(
                    destination, onDecision: { continuation.resume(returning: $0) })
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

    @Test func `STS-2-a if DANE protects every host, an enforced policy does not override it`() async throws {
        let fixture = Fixture()
        fixture.service.useDANE(true)
        try await fixture.run {
            let decision = try await fixture.answer()
            #expect(decision == Decision(rule: .dane, action: .daneOnly))
            let hit = fixture.service.decision(for: Destination(domain: try domain("example.com")))
            #expect(hit == decision)
        }
    }

    @Test func `there are no DANE queries before DANE is on, and switching it works at once`() async throws {
        let fixture = Fixture()
        try await fixture.run {
            try await fixture.expect(.enforce)
            #expect(fixture.validated.asked.isEmpty)
            fixture.service.useDANE(true)
            try await fixture.expect(.dane)
            fixture.service.useDANE(false)
            try await fixture.expect(.enforce)
        }
    }

    @Test func `no hit is repeated after its DANE result has expired, or after DANE was switched`() async throws {
        for change in [
            { (fixture: Fixture) in fixture.clock.advance(.seconds(300)) }, { $0.service.useDANE(false) },
        ] as [@Sendable (Fixture) -> Void] {
            let fixture = Fixture()
            fixture.service.useDANE(true)
            try await fixture.run {
                try await fixture.expect(.dane)
                let destination = Destination(domain: try domain("example.com"))
                let hit = try #require(fixture.service.hit(destination)?.hit)
                #expect(fixture.service.repeats(hit, rule: .dane, reply: "dane-only", at: fixture.clock.now))
                change(fixture)
                #expect(!fixture.service.repeats(hit, rule: .dane, reply: "dane-only", at: fixture.clock.now))
            }
        }
    }

    @Test func `a fresh result overrides a cached policy at once`() async throws {
        let fixture = Fixture()
        fixture.service.useDANE(true)
        fixture.script(tlsa: .secure(.noData))
        try await fixture.run {
            try await fixture.expect(.enforce)
            fixture.script(tlsa: .secure(.records([[3, 1, 1] + Array(repeating: 7, count: 32)])))
            fixture.clock.advance(.seconds(300))
            try await fixture.expect(.dane)
            #expect(fixture.resolver.count("_mta-sts.example.com", type: .txt) == 1)
        }
    }

    @Test
    func
        `DANE-2.1.2-c a TLSA query that fails below a signed address holds the mail of an enforced domain, with the query`()
        async throws
    {
        let fixture = Fixture()
        fixture.service.useDANE(true)
        fixture.script(tlsa: .failure(.responseCode(2)))
        try await fixture.run {
            let decision = try await fixture.answer()
            #expect(decision.rule == .daneUnknown)
            guard case .deferred(.dane(let reason)) = decision.action else {
                throw UnexpectedError(what: "\(decision)")
            }
            #expect(reason.hasPrefix("_25._tcp.mx.example.com TLSA: SERVFAIL"))
        }
    }

    @Test func `a lookup that cannot wait for DANE gets the policy`() async throws {
        let fixture = Fixture()
        fixture.service.useDANE(true)
        let gate = fixture.validated.hold("example.com", type: .mx)
        let destination = Destination(domain: try domain("example.com"))
        try await fixture.run {
            async let waiting = fixture.answer()
            await gate.arrivals()
            while fixture.fetcher.requests.isEmpty, !Task.isCancelled { await Task.yield() }
            guard case .waiting(let waiter, nil) = fixture.service.lookup(destination, onDecision: { _ in }) else {
                throw UnexpectedError(what: "not waiting")
            }
            #expect(fixture.service.cancelWait(waiter) != nil)
            #expect(fixture.service.cancelWait(waiter) == nil)
            gate.open()
            let decision = try await waiting
            #expect(decision.rule == .dane)
        }
    }

    // MARK: An unfinished discovery

    /// The decision of a lookup that stops waiting while the gate is closed, and of one that waits until it opens.
    private func decisions(_ fixture: Fixture, at gate: Gate) async throws -> (unfinished: Decision, finished: Decision)
    {
        let destination = Destination(domain: try domain("example.com"))
        let decisions = Mutex<(unfinished: Decision, finished: Decision)?>(nil)
        try await fixture.run {
            // The policy is known, so only DANE is missing.
            _ = try await fixture.answer()
            fixture.service.useDANE(true)
            async let waiting = fixture.answer()
            await gate.arrivals()
            guard case .waiting(let waiter, nil) = fixture.service.lookup(destination, onDecision: { _ in }) else {
                throw UnexpectedError(what: "not waiting")
            }
            let unfinished = try #require(fixture.service.cancelWait(waiter))
            gate.open()
            let finished = try await waiting
            decisions.withLock { $0 = (unfinished, finished) }
        }
        let both = decisions.withLock { $0 }
        return try #require(both)
    }

    @Test func `DANE-2.2-d a lookup that stops waiting for TLSA gets dane, or TEMP with an enforced policy`()
        async throws
    {
        let fixture = Fixture()
        let gate = fixture.validated.hold("_25._tcp.mx.example.com", type: .tlsa)
        let enforced = try await decisions(fixture, at: gate)
        let reason = "_25._tcp.mx.example.com TLSA: not answered yet"
        #expect(enforced.finished == Decision(rule: .dane, action: .daneOnly))
        #expect(enforced.unfinished == Decision(rule: .daneUnknown, action: .deferred(.dane(reason))))

        let plain = Fixture(DecisionSettings(noPolicyReply: .none))
        plain.resolver.script("_mta-sts.example.com", type: .txt, reply: .success(.nameError))
        let second = plain.validated.hold("_25._tcp.mx.example.com", type: .tlsa)
        let without = try await decisions(plain, at: second)
        #expect(without.unfinished == Decision(rule: .daneUnknown, action: .dane))
        #expect(without.finished == Decision(rule: .dane, action: .dane))
    }

    @Test(arguments: [RecordType.mx, .a])
    func `an unfinished discovery neither caches an unsigned domain nor switches its TLS off`(
        open: RecordType
    ) async throws {
        let fixture = Fixture(DecisionSettings(noPolicyReply: .none))
        fixture.resolver.script("_mta-sts.example.com", type: .txt, reply: .success(.nameError))
        fixture.validated.script(
            "example.com", type: .mx, reply: .insecure(.records([mxData(10, name: "mx.example.com")])))
        fixture.validated.script("mx.example.com", type: .a, reply: .insecure(.records([[192, 88, 98, 2]])))
        let gate = fixture.validated.hold(open == .mx ? "example.com" : "mx.example.com", type: open)
        let decisions = try await decisions(fixture, at: gate)
        #expect(decisions.unfinished.action == .notFound)
        #expect(decisions.finished == Decision(rule: .noPolicy, action: .cleartext))
    }

    @Test func `each port has a DANE result of its own, and one policy serves all`() async throws {
        let fixture = Fixture()
        fixture.service.useDANE(true)
        fixture.validated.script("_2525._tcp.mx.example.com", type: .tlsa, reply: .secure(.noData))
        try await fixture.run {
            try await fixture.expect(.dane)
            try await fixture.expect(.enforce, port: 2_525)
            #expect(fixture.fetcher.requests.count == 1)
        }
    }

    // MARK: The operator

    @Test func `explain shows a DANE result with each DNS answer and its end`() async throws {
        let fixture = Fixture()
        fixture.service.useDANE(true)
        let destination = Destination(domain: try domain("example.com"))
        try await fixture.run {
            try await fixture.expect(.dane)
            let explanation = await fixture.service.explain(destination)
            #expect(explanation.decision == Decision(rule: .dane, action: .daneOnly))
            let dane = try #require(explanation.dane)
            #expect(dane.status == .known(.complete, reason: nil))
            #expect(dane.result?.hosts.map(\.name) == ["mx.example.com"])
            #expect(dane.report?.queries.map(\.question.type) == [.mx, .a, .aaaa, .tlsa])
            #expect(dane.at == fixture.clock.now && dane.freshUntil == fixture.clock.now + .seconds(300))
            #expect(dane.usableUntil == fixture.clock.now + .seconds(3_900))
            let other = await fixture.service.explain(Destination(domain: destination.domain, port: 2_525))
            #expect(other.dane?.result == nil && other.dane?.report == nil)
            fixture.service.useDANE(false)
            let without = await fixture.service.explain(destination)
            #expect(without.dane == nil && without.decision.rule == .enforce)
        }
    }

    @Test func `a failed DANE query is among the failures`() async throws {
        let fixture = Fixture()
        fixture.service.useDANE(true)
        fixture.script(tlsa: .failure(.responseCode(2)))
        try await fixture.run {
            try await fixture.expect(.daneUnknown)
            let explanation = await fixture.service.explain(Destination(domain: try domain("example.com")))
            guard case .dane(let failure, port: 25) = explanation.failures.first?.kind else {
                throw UnexpectedError(what: "\(explanation.failures)")
            }
            #expect(failure.question.type == .tlsa)
        }
    }

    @Test func `forget removes the DANE results of all ports, and they are looked up again`() async throws {
        let fixture = Fixture()
        fixture.service.useDANE(true)
        try await fixture.run {
            try await fixture.expect(.dane)
            try await fixture.expect(.enforce, port: 2_525)
            let asked = fixture.validated.asked.count
            let name = try domain("example.com")
            let (wasKnown, _) = await fixture.service.forget(name)
            #expect(wasKnown)
            for port in [UInt16(25), 2_525] {
                let explanation = await fixture.service.explain(Destination(domain: name, port: port))
                #expect(explanation.dane?.result == nil && explanation.dane?.report == nil)
            }
            try await fixture.expect(.dane)
            #expect(fixture.validated.asked.count > asked)
            let statistics = await fixture.service.statistics()
            #expect(statistics.findings == 1)
        }
    }

    @Test func `the result of a DANE discovery in progress is cached after forget`() async throws {
        let fixture = Fixture()
        fixture.service.useDANE(true)
        let gate = fixture.validated.hold("example.com", type: .mx)
        try await fixture.run {
            async let answer = fixture.answer()
            await gate.arrivals()
            _ = await fixture.service.forget(try domain("example.com"))
            gate.open()
            let decision = try await answer
            #expect(decision.rule == .dane)
            // The policy discovery may have ended before or after forget.
            let explanation = await fixture.service.explain(Destination(domain: try domain("example.com")))
            #expect(explanation.dane?.result != nil)
        }
    }

    @Test func `an exempted domain is answered at once, and its DANE result is fresh when the exemption ends`()
        async throws
    {
        let fixture = Fixture()
        fixture.service.useDANE(true)
        let gate = fixture.validated.hold("example.com", type: .mx)
        let until = fixture.clock.now + .seconds(60)
        let override = try testOverride(
            .exempt(mayEncrypt: false), of: "example.com", since: fixture.clock.now, until: until)
        try await fixture.run {
            _ = try await fixture.service.set(override)
            try await fixture.expect(.exempt)
            await gate.arrivals()
            gate.open()
            fixture.clock.advance(.seconds(60))
            try await fixture.expect(.dane)
            #expect(fixture.validated.asked.count { $0.type == .mx } == 1)
        }
    }
}

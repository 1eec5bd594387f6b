import Discovery
import MTASTS
import MetricsTestKit
import PolicyService
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(5))) struct PolicyServiceTests {
    /// A running service over scripted DNS and HTTPS.
    final class Lab: Sendable {
        let resolver = ScriptedResolver()
        let fetcher = ScriptedFetcher()
        let archive: MemoryArchive
        let clock: ManualTime
        let log = LogRecorder()
        let metrics = TestMetrics()
        let service: PolicyService

        /// - Parameter keepsNothing: `archive` is not used.
        init(
            archive: MemoryArchive = MemoryArchive(), keepsNothing: Bool = false,
            ledger: LedgerSettings = LedgerSettings(), decisions: DecisionSettings = DecisionSettings(),
            clock: ManualTime = ManualTime()
        ) {
            self.archive = archive
            self.clock = clock
            service = PolicyService(
                discovery: PolicyDiscovery(resolver: resolver, fetcher: fetcher),
                archive: keepsNothing ? NoArchive() : archive, ledger: ledger, decisions: decisions,
                logger: log.logger(), now: { clock.now }, sleep: { try await clock.sleep($0) }, seed: 1,
                metrics: metrics)
        }

        /// Publishes a record and a policy of `name`.
        func publish(_ name: String, id: String = "1", policy: String = policyText()) {
            resolver.script(text: ["v=STSv1; id=\(id);"], at: "_mta-sts.\(name)")
            resolver.script("mta-sts.\(name)", .a, .success(.records([[192, 88, 98, 1]])))
            fetcher.script("mta-sts.\(name)", .success(policy))
        }

        /// The answer to a lookup, however long it takes.
        func answer(_ name: String) async throws -> Decision {
            let domain = try domain(name)
            return await withCheckedContinuation { continuation in
                if case .decided(let decision) = service.lookup(
                    DANEDestination(domain: domain), whenLanded: { continuation.resume(returning: $0) })
                {
                    continuation.resume(returning: decision)
                }
            }
        }

        /// Returns when nobody waits for the operator's orders any more.
        func loaded() async throws { _ = try await answer("loaded.example") }

        /// The answer that needs no waiting; `nil`: it does.
        func answerAtOnce(_ name: String) throws -> Decision? {
            let destination = DANEDestination(domain: try domain(name))
            if let decision = service.decision(for: destination) { return decision }
            switch service.lookup(destination, whenLanded: { _ in }) {
            case .decided(let decision): return decision
            case .waiting(let waiter, _):
                _ = service.giveUp(waiter)
                return nil
            }
        }

        func run(_ test: @Sendable @escaping () async throws -> Void) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await self.service.run() }
                try await test()
                group.cancelAll()
            }
        }
    }

    @Test func `a cold lookup hears what the discovery found, the next one at once`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        try await lab.run {
            #expect(try await lab.answer("example.com").rule == .enforce)
            guard
                case .decided(let decision) = lab.service.lookup(
                    DANEDestination(domain: try domain("example.com")), whenLanded: { _ in })
            else {
                Issue.record("not answered at once")
                return
            }
            #expect(decision.rule == .enforce)
        }
        #expect(lab.resolver.count("_mta-sts.example.com", .txt) == 1)
        #expect(lab.fetcher.requests.count == 1)
    }

    @Test func `STS-3.3-i a thousand lookups at once are one query and one fetch`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        try await lab.run {
            async let answers = withThrowingTaskGroup(of: Decision.self) { group in
                for _ in 1...1_000 { group.addTask { try await lab.answer("example.com") } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            await gate.arrivals()
            gate.open()
            let rules = try await answers.map(\.rule)
            #expect(rules == Array(repeating: .enforce, count: 1_000))
        }
        #expect(lab.resolver.count("_mta-sts.example.com", .txt) == 1)
        #expect(lab.fetcher.requests.count == 1)
    }

    @Test func `the archive has a policy before anybody hears of it`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        let gate = lab.archive.hold()
        let name = try domain("example.com")
        try await lab.run {
            async let answer = lab.answer("example.com")
            await gate.arrivals()
            guard case .waiting(let waiter, _) = lab.service.lookup(DANEDestination(domain: name), whenLanded: { _ in })
            else {
                Issue.record("heard of it before it was kept")
                return
            }
            #expect(lab.service.giveUp(waiter)?.rule == .unknown)
            gate.open()
            let decision = try await answer
            #expect(decision.rule == .enforce)
            #expect(lab.archive[name]?.id.text == "1")
        }
    }

    @Test func `STS-3-a an unchanged id costs one TXT query and no request of the policy host`() async throws {
        let lab = Lab()
        lab.publish("example.com", id: "7")
        try await lab.run {
            _ = try await lab.answer("example.com")
            let queries = lab.resolver.asked.count
            lab.clock.advance(.seconds(300))
            let decision = try await lab.answer("example.com")
            #expect(decision.rule == .enforce)
            #expect(
                lab.resolver.asked.dropFirst(queries) == [DNSQuestion(name: "_mta-sts.example.com", type: .txt)])
            #expect(lab.fetcher.requests.count == 1)
        }
    }

    @Test func `STS-3.1-v the id is the record's; one in the body means nothing`() async throws {
        let lab = Lab()
        lab.publish("example.com", id: "7", policy: policyText() + "\nid: 8")
        let name = try domain("example.com")
        try await lab.run {
            _ = try await lab.answer("example.com")
            #expect(lab.archive[name]?.id.text == "7")
        }
    }

    @Test func `a failing archive is loud and stops no mail`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        lab.archive.fail(with: ArchiveFailure("disk full"))
        try await lab.run {
            let decision = try await lab.answer("example.com")
            #expect(decision.rule == .enforce)
        }
        #expect(lab.log.messages.contains("archive failed, going on from memory"))
    }

    @Test func `what the archive kept is applied though DNS and HTTPS are dead`() async throws {
        let kept = try archived("example.com", at: ManualTime().now)
        let broken = try archived("broken.example", text: "\0", at: ManualTime().now)
        let lab = Lab(archive: MemoryArchive([kept, broken]))
        lab.resolver.script("_mta-sts.example.com", .txt, .failure(.responseCode(2)))
        try await lab.run {
            let decision = try await lab.answer("example.com")
            #expect(decision.rule == .enforce)
            await lab.log.appearance(of: "kept policy cannot be read, dropped")
        }
    }

    @Test func `STS-3.3-s who gives up hears what is known, and the discovery still lands`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        let gate = lab.fetcher.hold("mta-sts.example.com")
        let name = try domain("example.com")
        try await lab.run {
            async let patient = lab.answer("example.com")
            await gate.arrivals()
            guard
                case .waiting(let waiter, nil) = lab.service.lookup(
                    DANEDestination(domain: name), whenLanded: { _ in Issue.record("called") })
            else {
                Issue.record("not waiting")
                return
            }
            #expect(lab.service.giveUp(waiter) == Decision(rule: .unknown, action: .notFound))
            #expect(lab.service.giveUp(waiter) == nil)
            gate.open()
            let decision = try await patient
            #expect(decision.rule == .enforce)
        }
    }

    @Test func `max_age 0 lets a second pass between two fetches`() async throws {
        let lab = Lab()
        lab.publish("example.com", policy: policyText(maxAge: 0))
        let start = lab.clock.now
        try await lab.run {
            for round in 1...3 {
                async let answer = lab.answer("example.com")
                if round > 1 { await lab.clock.pass(.seconds(1)) }
                let decision = try await answer
                #expect(decision.rule == .enforce)
            }
        }
        #expect(lab.clock.now - start == .seconds(2))
        #expect(lab.fetcher.requests.count == 3)
        #expect(lab.resolver.count("_mta-sts.example.com", .txt) == 1)
    }

    @Test func `a change is one line at info with its facts, an attempt none`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        try await lab.run {
            for _ in 1...10 { _ = try await lab.answer("example.com") }
        }
        let lines = lab.log.entries.filter { $0.level >= .info && $0.message != "policies loaded" }
        #expect(lines.map(\.message) == ["policy learnt"])
        #expect(lines.last?.facts["domain"] == "example.com")
        #expect(lines.last?.facts["mode"] == "enforce")
    }

    @Test(arguments: [("enforce", true), ("none", false)])
    func `STS-3.3-q a failing refresh is a warning, except for mode none`(mode: String, warns: Bool) async throws {
        let lab = Lab()
        lab.publish("example.com", id: "1", policy: policyText(mode: mode))
        try await lab.run {
            _ = try await lab.answer("example.com")
            lab.publish("example.com", id: "2")
            lab.fetcher.script("mta-sts.example.com", .failure(.certificate(.expired)))
            lab.clock.advance(.seconds(300))
            _ = try await lab.answer("example.com")
        }
        let warnings = lab.log.entries.filter { $0.level == .warning }.map(\.message)
        #expect(warnings == (warns ? ["policy fetch failed"] : []))
    }
}

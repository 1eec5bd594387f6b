import DANE
import Discovery
import MTASTS
import Testing
import TestSupport

@testable import PolicyService

/// Refresh and forget, from the operator's word to the archive.
@Suite(.timeLimit(.minutes(5))) struct OperatorServiceTests {
    private typealias Lab = PolicyServiceTests.Lab

    @Test func `a refresh asks and fetches now, and the archive has what it brought`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        let name = try domain("example.com")
        try await lab.run {
            _ = try await lab.answer("example.com")
            lab.publish("example.com", policy: policyText(mx: ["new.example.com"]))
            lab.clock.advance(.seconds(1))
            let result = await lab.service.refresh(name)
            guard case .changed(.some, let new) = result.outcome else { throw Unexpected(what: "\(result)") }
            #expect(lab.archive[name]?.text == new.text)
        }
        #expect(lab.resolver.count("_mta-sts.example.com", .txt) == 2)
        #expect(lab.fetcher.requests.count == 2)
        let line = lab.log.entries.last { $0.message == "policy replaced" }
        #expect(line?.facts["origin"] == "admin")
        #expect(lab.log.entries.first { $0.message == "policy learnt" }?.facts["origin"] == "lookup")
    }

    @Test func `a hundred refreshes at once are one, after a discovery that was under way`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        let name = try domain("example.com")
        try await lab.run {
            async let answer = lab.answer("example.com")
            await gate.arrivals()
            async let results = withTaskGroup(of: RefreshResult.self) { group in
                for _ in 1...100 { group.addTask { await lab.service.refresh(name) } }
                return await group.reduce(into: []) { $0.append($1) }
            }
            while lab.service.waitingOperators(for: name) < 100, !Task.isCancelled { await Task.yield() }
            gate.open()
            let rule = try await answer.rule
            #expect(rule == .enforce)
            // Between two fetches of a domain.
            await lab.clock.pass(.seconds(1))
            let outcomes = await results.map(\.outcome)
            #expect(outcomes.count == 100)
            #expect(outcomes.allSatisfy { $0 == outcomes[0] })
            guard case .renewed = outcomes[0] else { throw Unexpected(what: "\(outcomes[0])") }
        }
        #expect(lab.resolver.count("_mta-sts.example.com", .txt) == 2)
        #expect(lab.fetcher.requests.count == 2)
    }

    @Test func `a refresh that fails says why, and what applies meanwhile`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        try await lab.run {
            _ = try await lab.answer("example.com")
            lab.fetcher.script("mta-sts.example.com", .failure(.certificate(.expired)))
            lab.clock.advance(.seconds(1))
            let result = await lab.service.refresh(try domain("example.com"))
            #expect(result.outcome == .fetchFailed(.fetch(.certificate(.expired))))
            guard case .policy = result.standing else { throw Unexpected(what: "\(result)") }
        }
    }

    @Test func `the end lets go of operators who wait, and of later ones`() async throws {
        let lab = Lab()
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        let name = try domain("example.com")
        await withTaskGroup(of: RefreshResult?.self) { group in
            group.addTask {
                await lab.service.run()
                return nil
            }
            async let waiting = lab.service.refresh(name)
            await gate.arrivals()
            group.cancelAll()
            gate.open()
            let outcome = await waiting.outcome
            #expect(outcome == .unfinished)
            await group.waitForAll()
        }
        let late = await lab.service.refresh(name)
        #expect(late.outcome == .unfinished)
    }

    @Test func `what is forgotten is gone from the archive, and asked for anew`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        let name = try domain("example.com")
        try await lab.run {
            _ = try await lab.answer("example.com")
            let (wasKnown, outcome) = await lab.service.forget(name)
            #expect(wasKnown && outcome == .kept)
            #expect(lab.archive[name] == nil)
            let rule = try await lab.answer("example.com").rule
            #expect(rule == .enforce)
            #expect(lab.archive[name] != nil)
        }
        #expect(lab.resolver.count("_mta-sts.example.com", .txt) == 2)
        #expect(lab.log.messages.count { $0 == "domain forgotten" } == 1)
    }

    @Test func `a domain of which there was nothing is told apart, and one that only the archive has is not`()
        async throws
    {
        let kept = try archived("kept.example", at: ManualTime().now)
        let lab = Lab(archive: MemoryArchive([kept]))
        let gate = lab.archive.holdLoading()
        try await lab.run {
            await gate.arrivals()
            let known = await lab.service.forget(kept.domain)
            #expect(known.wasKnown && known.outcome == .kept)
            let unknown = await lab.service.forget(try domain("unknown.example"))
            #expect(!unknown.wasKnown)
            gate.open()
            await lab.log.appearance(of: "policies loaded")
            let entry = try await lab.service.entry(of: kept.domain)
            #expect(entry == nil)
        }
        #expect(lab.archive[kept.domain] == nil)
    }

    @Test func `an archive that fails is told, and has it no more when it works again`() async throws {
        let kept = try archived("example.com", at: ManualTime().now)
        let lab = Lab(archive: MemoryArchive([kept]))
        try await lab.run {
            await lab.log.appearance(of: "policies loaded")
            lab.archive.fail(with: ArchiveFailure("read-only"))
            let (wasKnown, outcome) = await lab.service.forget(kept.domain)
            #expect(wasKnown && outcome == .inMemoryOnly("read-only"))
            lab.archive.fail(with: nil)
            while !lab.log.messages.contains("archive works again") { await lab.clock.pass(.seconds(30)) }
            let entry = try await lab.service.entry(of: kept.domain)
            #expect(entry == nil)
        }
        #expect(lab.archive[kept.domain] == nil)
    }
}

extension PolicyService {
    fileprivate func waitingOperators(for domain: PolicyDomain) -> Int {
        state.withLock { $0.demands[domain]?.count ?? 0 }
    }
}

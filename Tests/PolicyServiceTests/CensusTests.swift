import MTASTS
import PolicyService
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(5))) struct CensusTests {
    private typealias Lab = PolicyServiceTests.Lab

    @Test func `it counts what is known, and names what stands out`() async throws {
        let lab = Lab()
        let start = lab.clock.now
        try await lab.run {
            for (name, mode, maxAge) in [
                ("enforce.example", "enforce", 604_800), ("testing.example", "testing", 86_400),
                ("none.example", "none", 3_600), ("failing.example", "enforce", 200_000),
            ] {
                lab.publish(name, policy: policyText(mode: mode, maxAge: maxAge))
                _ = try await lab.answer(name)
                lab.clock.advance(.seconds(1))
            }
            lab.fetcher.script("mta-sts.failing.example", .failure(.certificate(.expired)))
            _ = await lab.service.refresh(try domain("failing.example"))
            _ = try await lab.answer("absent.example")
            _ = try await lab.service.order(
                try order(.exempt(mayEncrypt: true), "a.example", since: start, until: start + .seconds(60)))
            _ = try await lab.service.order(try order(.pin([]), "b.example", since: start))
            let census = await lab.service.census()
            #expect(census.counts == [.enforce: 2, .testing: 1, .none: 1, .noPolicy: 1])
            #expect(census.domains == 5)
            #expect(census.failing == 1)
            let testing = Census.Notable(domain: try domain("testing.example"), time: start + .seconds(86_401))
            #expect(census.soonestExpiry == testing)
            let failing = Census.Notable(domain: try domain("failing.example"), time: start + .seconds(200_003))
            #expect(census.soonestFailingExpiry == failing)
            #expect(census.oldestFetch == Census.Notable(domain: try domain("enforce.example"), time: start))
            #expect(census.flights == 0 && census.refreshed == 3 && census.refreshesDue == 0 && census.findings == 0)
            #expect(census.exempted == 1 && census.pinned == 1)
            #expect(census.isLoaded)
            #expect(census.unwritten == 0 && census.archiveFailure == nil)
        }
    }

    @Test func `what nobody asks for any more does not stand out`() async throws {
        let now = ManualTime().now
        let old = try archived(
            "old.example", text: policyText(maxAge: 31_557_600), at: now, asked: now + .seconds(-31 * 86_400),
            life: .seconds(31_557_600))
        let lab = Lab(archive: MemoryArchive([old]))
        try await lab.run {
            await lab.log.appearance(of: "policies loaded")
            let census = await lab.service.census()
            #expect(census.counts == [.enforce: 1])
            #expect(census.soonestExpiry == nil && census.oldestFetch == nil)
        }
    }

    @Test func `it is counted once in some seconds, however many ask`() async throws {
        let lab = Lab()
        try await lab.run {
            let first = await lab.service.census()
            _ = try await lab.answer("example.com")
            lab.clock.advance(.seconds(4))
            let second = await lab.service.census()
            #expect(second == first)
            let now = await lab.service.census(atMost: .zero)
            #expect(now.domains == 1)
            lab.clock.advance(.seconds(5))
            let third = await lab.service.census()
            #expect(third.at == lab.clock.now)
        }
    }

    @Test func `those who ask at once are answered by one count`() async throws {
        let now = ManualTime().now
        let lab = Lab(archive: MemoryArchive(try (1...3_000).map { try archived("d\($0).example", at: now) }))
        try await lab.run {
            await lab.log.appearance(of: "policies loaded")
            let moments = await withTaskGroup(of: WallTime.self, returning: Set<WallTime>.self) { group in
                for _ in 1...20 {
                    group.addTask {
                        lab.clock.advance(.seconds(60))
                        return await lab.service.census(atMost: .zero).at
                    }
                }
                return await group.reduce(into: []) { $0.insert($1) }
            }
            #expect(moments.count < 20)
        }
    }

    @Test func `it tells of an archive that fails, and of a loading that is not done`() async throws {
        let lab = Lab()
        let gate = lab.archive.holdLoading()
        try await lab.run {
            await gate.arrivals()
            let isLoaded = await lab.service.census().isLoaded
            #expect(isLoaded == false)
            gate.open()
            await lab.log.appearance(of: "policies loaded")
            lab.archive.fail(with: ArchiveFailure("disk full"))
            _ = try await lab.service.order(try order(.pin([]), "a.example", since: lab.clock.now))
            lab.clock.advance(.seconds(5))
            let census = await lab.service.census()
            #expect(census.unwritten == 1 && census.archiveFailure == ArchiveFailure("disk full"))
        }
    }

    @Test func `refreshes that are due are counted until they have begun`() async throws {
        let now = ManualTime().now
        var settings = LedgerSettings()
        settings.refresh.maximumInFlight = 0
        var ledger = PolicyLedger(settings: settings, isArchived: true)
        let kept = try (1...20).map { try KeptPolicy(archived("d\($0).example", at: now)) }
        ledger.restore(kept, at: now)
        #expect(ledger.refreshesDue(at: now) == 0)
        #expect(ledger.refreshesDue(at: now + .seconds(86_460)) == 20)
    }
}

import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

@Suite(.timeLimit(.minutes(5))) struct StatisticsTests {
    private typealias Fixture = PolicyServiceTests.Fixture

    @Test func `statistics have the counts and the extreme times`() async throws {
        let fixture = Fixture()
        let start = fixture.clock.now
        try await fixture.run {
            for (name, mode, maxAge) in [
                ("enforce.example", "enforce", 604_800), ("testing.example", "testing", 86_400),
                ("none.example", "none", 3_600), ("failing.example", "enforce", 200_000),
            ] {
                fixture.publish(name, policy: policyText(mode: mode, maxAge: maxAge))
                _ = try await fixture.answer(name)
                fixture.clock.advance(.seconds(1))
            }
            fixture.fetcher.script("mta-sts.failing.example", reply: .failure(.certificate(.expired)))
            _ = await fixture.service.refresh(try domain("failing.example"))
            _ = try await fixture.answer("absent.example")
            _ = try await fixture.service.set(
                try testOverride(.exempt(mayEncrypt: true), of: "a.example", since: start, until: start + .seconds(60)))
            _ = try await fixture.service.set(try testOverride(.pin([]), of: "b.example", since: start))
            let statistics = await fixture.service.statistics()
            #expect(statistics.counts == [.enforce: 2, .testing: 1, .none: 1, .noPolicy: 1])
            #expect(statistics.domains == 5)
            #expect(statistics.failing == 1)
            let testing = CacheStatistics.DomainTime(
                domain: try domain("testing.example"), time: start + .seconds(86_401))
            #expect(statistics.soonestExpiry == testing)
            let failing = CacheStatistics.DomainTime(
                domain: try domain("failing.example"), time: start + .seconds(200_003))
            #expect(statistics.soonestFailingExpiry == failing)
            #expect(
                statistics.oldestFetch == CacheStatistics.DomainTime(domain: try domain("enforce.example"), time: start)
            )
            #expect(
                statistics.flights == 0 && statistics.refreshed == 3 && statistics.refreshesDue == 0
                    && statistics.findings == 0)
            #expect(statistics.exempted == 1 && statistics.pinned == 1)
            #expect(statistics.isLoaded)
            #expect(statistics.unwritten == 0 && statistics.storeError == nil)
        }
    }

    @Test func `a domain without lookups does not count for the extreme times`() async throws {
        let now = ManualTime().now
        let old = try storedPolicy(
            "old.example", text: policyText(maxAge: 31_557_600), at: now, asked: now + .seconds(-31 * 86_400),
            life: .seconds(31_557_600))
        let fixture = Fixture(store: MemoryPolicyStore([old]))
        try await fixture.run {
            await fixture.log.appearance(of: "policies loaded")
            let statistics = await fixture.service.statistics()
            #expect(statistics.counts == [.enforce: 1])
            #expect(statistics.soonestExpiry == nil && statistics.oldestFetch == nil)
        }
    }

    @Test func `entries are counted once in some seconds, for any number of calls`() async throws {
        let fixture = Fixture()
        try await fixture.run {
            let first = await fixture.service.statistics()
            _ = try await fixture.answer("example.com")
            fixture.clock.advance(.seconds(4))
            let second = await fixture.service.statistics()
            #expect(second == first)
            let now = await fixture.service.statistics(atMost: .zero)
            #expect(now.domains == 1)
            fixture.clock.advance(.seconds(5))
            let third = await fixture.service.statistics()
            #expect(third.at == fixture.clock.now)
        }
    }

    @Test func `concurrent calls share one count`() async throws {
        let now = ManualTime().now
        let fixture = Fixture(
            store: MemoryPolicyStore(try (1...3_000).map { try storedPolicy("d\($0).example", at: now) }))
        try await fixture.run {
            await fixture.log.appearance(of: "policies loaded")
            let moments = await withTaskGroup(of: WallTime.self, returning: Set<WallTime>.self) { group in
                for _ in 1...20 {
                    group.addTask {
                        fixture.clock.advance(.seconds(60))
                        return await fixture.service.statistics(atMost: .zero).at
                    }
                }
                return await group.reduce(into: []) { $0.insert($1) }
            }
            #expect(moments.count < 20)
        }
    }

    @Test func `statistics show a failing store and an unfinished load`() async throws {
        let fixture = Fixture()
        let gate = fixture.store.pauseLoading()
        try await fixture.run {
            await gate.arrivals()
            let isLoaded = await fixture.service.statistics().isLoaded
            #expect(isLoaded == false)
            gate.open()
            await fixture.log.appearance(of: "policies loaded")
            fixture.store.fail(with: StoreError("disk full"))
            _ = try await fixture.service.set(try testOverride(.pin([]), of: "a.example", since: fixture.clock.now))
            fixture.clock.advance(.seconds(5))
            let statistics = await fixture.service.statistics()
            #expect(statistics.unwritten == 1 && statistics.storeError == StoreError("disk full"))
        }
    }

    @Test func `due refreshes are counted until they begin`() async throws {
        let now = ManualTime().now
        var settings = CacheSettings()
        settings.refresh.maximumInFlight = 0
        var cache = PolicyCache(settings: settings, isPersistent: true)
        let stored = try (1...20).map { try LoadedPolicy(storedPolicy("d\($0).example", at: now)) }
        _ = cache.restore(stored, at: now)
        #expect(cache.refreshesDue(at: now) == 0)
        #expect(cache.refreshesDue(at: now + .seconds(86_460)) == 20)
    }
}

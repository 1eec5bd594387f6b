import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

/// The service and its store: what is written when, and what happens when it fails.
@Suite(.timeLimit(.minutes(5))) struct StoreServiceTests {
    private typealias Fixture = PolicyServiceTests.Fixture

    @Test func `a lookup before its policy is loaded is answered from the store, without DNS`() async throws {
        let store = MemoryPolicyStore([try storedPolicy("example.com", at: ManualTime().now)])
        let loading = store.pauseLoading()
        let fixture = Fixture(store: store)
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.run {
            await loading.arrivals()
            async let answer = fixture.answer("example.com")
            await gate.arrivals()
            await fixture.clock.pass(.seconds(2))
            let decision = try await answer
            #expect(decision.rule == .enforce)
            gate.open()
            loading.open()
        }
    }

    @Test func `an unknown domain is looked up in DNS, also during loading`() async throws {
        let store = MemoryPolicyStore()
        let loading = store.pauseLoading()
        let fixture = Fixture(store: store)
        fixture.publish("example.com")
        try await fixture.run {
            let decision = try await fixture.answer("example.com")
            #expect(decision.rule == .enforce)
            loading.open()
        }
    }

    @Test func `a policy fetched while the store failed is stored later; the error and its end are logged once`()
        async throws
    {
        let fixture = Fixture()
        fixture.store.fail(with: StoreError("disk full"))
        let names = try (1...5).map { try domain("d\($0).example") }
        try await fixture.run {
            for name in names {
                fixture.publish("\(name)")
                let decision = try await fixture.answer("\(name)")
                #expect(decision.rule == .enforce)
            }
            fixture.store.fail(with: nil)
            while !fixture.log.messages.contains("cache file works again") { await fixture.clock.pass(.seconds(30)) }
        }
        for name in names { #expect(fixture.store[name] != nil) }
        #expect(fixture.log.messages.count { $0 == "cache file error, continuing in memory" } == 1)
        #expect(fixture.log.messages.count { $0 == "cache file works again" } == 1)
    }

    @Test func `a replaced store gets everything again`() async throws {
        let fixture = Fixture()
        try await fixture.run {
            for name in ["a.example", "b.example"] {
                fixture.publish(name)
                _ = try await fixture.answer(name)
            }
            fixture.store.removeFile()
            fixture.publish("c.example")
            _ = try await fixture.answer("c.example")
            while !fixture.log.messages.contains("cache file works again") { await fixture.clock.pass(.seconds(30)) }
        }
        for name in ["a.example", "b.example", "c.example"] {
            #expect(fixture.store[try domain(name)] != nil, "\(name)")
        }
    }

    @Test func `policies of a read-only file are in the new file after the old one is moved away`()
        async throws
    {
        let stored = try (1...5).map { try storedPolicy("d\($0).example", at: ManualTime().now) }
        let fixture = Fixture(store: MemoryPolicyStore(stored))
        fixture.store.failOpening(with: StoreError("damaged"))
        try await fixture.run {
            await fixture.log.appearance(of: "policies loaded")
            fixture.store.removeFile()
            fixture.store.failOpening(with: nil)
            while !fixture.log.messages.contains("cache file works again") { await fixture.clock.pass(.seconds(30)) }
        }
        for policy in stored { #expect(fixture.store[policy.domain] != nil) }
    }

    @Test func `a removed file is detected without changes`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            fixture.store.removeFile()
            while !fixture.log.messages.contains("cache file works again") { await fixture.clock.pass(.seconds(5)) }
        }
        #expect(fixture.store[try domain("example.com")] != nil)
    }

    @Test func `a removed file is detected at the end`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            fixture.store.removeFile()
        }
        #expect(fixture.store[try domain("example.com")] != nil)
        #expect(fixture.log.messages.suffix(2) == ["cache file error, continuing in memory", "cache file works again"])
    }

    @Test func `the end writes changes that no task waited for`() async throws {
        let stored = try storedPolicy("example.com", at: ManualTime().now)
        let fixture = Fixture(store: MemoryPolicyStore([stored]))
        fixture.publish("example.com")
        fixture.fetcher.script("mta-sts.example.com", reply: .failure(.http(.status(500))))
        try await fixture.run {
            await fixture.log.appearance(of: "policies loaded")
            while fixture.fetcher.requests.isEmpty { await fixture.passHour() }
            await fixture.log.appearance(of: "policy fetch failed")
        }
        #expect(fixture.store[try domain("example.com")]?.failure?.count == 1)
        #expect(fixture.store.commits.isEmpty == false)
    }

    @Test func `STS-3.3-p after a day a policy in use is refreshed and stored`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        try await fixture.run {
            _ = try await fixture.answer("example.com")
            fixture.publish("example.com", policy: policyText(mx: ["new.example.com"]))
            while fixture.fetcher.requests.count < 2 { await fixture.passHour() }
            await fixture.log.appearance(of: "policy replaced")
        }
        #expect(fixture.clock.now - ManualTime().now <= .seconds(25 * 3_600))
        let stored = fixture.store[try domain("example.com")]
        #expect(stored?.text == Array(policyText(mx: ["new.example.com"]).utf8))
        #expect(fixture.resolver.count("_mta-sts.example.com", type: .txt) == 1)
    }

    @Test func `a refresh starts although the store does not answer`() async throws {
        // Fetched by a clock that was ahead, so that the refresh is due in the next minute.
        let stored = try storedPolicy("example.com", at: ManualTime().now + .seconds(86_400))
        let fixture = Fixture(store: MemoryPolicyStore([stored]))
        fixture.publish("example.com")
        try await fixture.run {
            try await fixture.loaded()
            await fixture.log.appearance(of: "policies loaded")
            await fixture.clock.pass(.zero, onceAsleepFor: .seconds(5))
            let gate = fixture.store.pauseOtherProcesses()
            await fixture.clock.pass(.seconds(60), onceAsleepFor: .seconds(5))
            await gate.arrivals()
            while fixture.fetcher.requests.isEmpty, !Task.isCancelled { await Task.yield() }
            gate.open()
        }
        #expect(fixture.fetcher.requests.count == 1)
    }

    @Test func `an expired policy is deleted seven days after it was seen expired`() async throws {
        let stored = try storedPolicy("example.com", at: ManualTime().now)
        let fixture = Fixture(store: MemoryPolicyStore([stored]))
        let name = try domain("example.com")
        try await fixture.run {
            var days = 0
            while fixture.store[name] != nil, days < 60 {
                for _ in 1...24 { await fixture.passHour() }
                days += 1
            }
            #expect((14...16).contains(days), "\(days)")
        }
    }

    @Test func `the expiry of an evicted enforced policy is one warning, also after a restart`()
        async throws
    {
        let names = ["a.example", "b.example", "c.example"]
        let stored = try names.map { try storedPolicy($0, at: ManualTime().now) }
        var cache = CacheSettings()
        cache.maximumDomains = 1
        let fixture = Fixture(store: MemoryPolicyStore(stored), cache: cache)
        @Sendable func ends(_ log: LogRecorder) -> [String] {
            log.entries.filter { $0.message == "enforced policy expired, mail is sent without it" }
                .compactMap { $0.facts["domain"] }.sorted()
        }
        try await fixture.run {
            for _ in 1...(24 * 9) { await fixture.passHour() }
            #expect(ends(fixture.log) == names)
        }
        let next = Fixture(store: fixture.store, cache: cache, clock: fixture.clock)
        try await next.run {
            for _ in 1...24 { await next.passHour() }
        }
        #expect(ends(next.log).isEmpty)
    }

    @Test func `a commit that never finishes does not block the end`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        fixture.store.fail(with: StoreError("gone"))
        try await fixture.run { _ = try await fixture.answer("example.com") }
        #expect(fixture.log.messages.contains("changes not written, the cache file failed until the end"))
    }
}

extension PolicyServiceTests.Fixture {
    /// Passes an hour, with the hourly work in the background.
    func passHour() async {
        let purges = store.purges
        await clock.pass(.seconds(3_600))
        while store.purges == purges, !Task.isCancelled { await Task.yield() }
    }
}

import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

/// Loading from the store, saving to it, and eviction from memory (RFC 8461 §10.2).
@Suite struct CacheStoreTests {
    private let clock = ManualTime()
    private let spam = 1_000

    @Test func `while the store is being loaded, a lookup of an unknown domain reads it first`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        _ = fixture.cache.beginLoading()
        #expect(try fixture.start().step == .readStore)
    }

    @Test func `when everything is loaded, a lookup of an unknown domain queries DNS at once`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        try fixture.restart([])
        #expect(try fixture.start().step == .queryRecord)
    }

    @Test func `a policy from the store with a fresh record is answered without DNS`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let plan = try fixture.start()
        let record = StoredPolicy.Record(id: try recordID("1"), at: fixture.clock.now, lifetime: .seconds(300))
        let saved = try LoadedPolicy(storedPolicy("example.com", at: fixture.clock.now, record: record))
        let next = fixture.cache.storeRead(.policy(saved), in: plan.id, at: fixture.clock.now)
        #expect(next == AfterStoreLookup(next: .finish, timeout: .seconds(2)))
        #expect(try fixture.finish(plan).status.mode == .enforce)
        #expect(try fixture.answer().mode == .enforce)
    }

    @Test func `with a policy from the store and a stale record, lookups wait two seconds for a newer one`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let plan = try fixture.start()
        fixture.clock.advance(.seconds(1))
        let saved = try LoadedPolicy(storedPolicy("example.com", at: fixture.clock.now))
        let next = fixture.cache.storeRead(.policy(saved), in: plan.id, at: fixture.clock.now)
        #expect(next == AfterStoreLookup(next: .queryRecord, timeout: .seconds(2)))
        guard case .join(plan.id, atMost: .some(.seconds(2))) = fixture.ask() else {
            throw UnexpectedError(what: "not joined")
        }
        #expect(fixture.receive(plan, record: .failed(serverFailure)) == .finish)
        #expect(try fixture.finish(plan).status.mode == .enforce)
    }

    @Test func `a policy from the store is fetched if another id is published`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let plan = try fixture.start()
        let record = StoredPolicy.Record(id: try recordID("2"), at: fixture.clock.now, lifetime: .seconds(300))
        let saved = try LoadedPolicy(storedPolicy("example.com", at: fixture.clock.now, record: record))
        let next = fixture.cache.storeRead(.policy(saved), in: plan.id, at: fixture.clock.now)
        #expect(next.next == .fetch(try recordID("2"), delay: .zero))
    }

    @Test func `STS-3.3-j the five minutes after a failed fetch hold across a restart`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let record = StoredPolicy.Record(id: try recordID("2"), at: fixture.clock.now, lifetime: .seconds(3_600))
        let failure = StoredPolicy.Failure(
            id: try recordID("2"), at: fixture.clock.now, count: 1, category: .fetchError, reason: "HTTP status 500")
        try fixture.restart([try storedPolicy("example.com", at: fixture.clock.now, record: record, failure: failure)])
        fixture.clock.advance(.seconds(299))
        #expect(try fixture.answer().mode == .enforce)
        fixture.clock.advance(.seconds(1))
        #expect(try fixture.start().step == .fetch(try recordID("2")))
    }

    @Test func `a store that could not be read is read again within min-ttl, even if DNS has no record`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let plan = try fixture.start()
        let first = fixture.cache.storeRead(.unreadable, in: plan.id, at: fixture.clock.now)
        #expect(first == AfterStoreLookup(next: .queryRecord, timeout: nil))
        #expect(fixture.receive(plan, record: .absent(.nameError), timeToLive: 3_600) == .finish)
        #expect(try fixture.finish(plan).status == .noPolicy(.nameError))
        fixture.clock.advance(.seconds(60))
        let again = try fixture.start()
        #expect(again.step == .readStore)
        let saved = try LoadedPolicy(storedPolicy("example.com", at: fixture.clock.now))
        _ = fixture.cache.storeRead(.policy(saved), in: again.id, at: fixture.clock.now)
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
    }

    @Test
    func `a later fetch in a replaced store replaces the policy in memory, an earlier one does not`()
        throws
    {
        var fixture = try CacheFixture(isPersistent: true)
        let old = fixture.clock.now
        fixture.clock.advance(.seconds(100))
        try fixture.restart([try storedPolicy("example.com", at: fixture.clock.now + .seconds(-50))])
        let text = policyText(mode: "testing")
        fixture.cache.restore(
            [try LoadedPolicy(storedPolicy("example.com", text: text, at: old))], at: fixture.clock.now)
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
        fixture.cache.restore(
            [try LoadedPolicy(storedPolicy("example.com", text: text, at: fixture.clock.now))], at: fixture.clock.now)
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .testing)
    }

    @Test func `a fetch in the future in a replaced store is no later than the time when the clock was seen behind`()
        throws
    {
        var fixture = try CacheFixture(isPersistent: true)
        let text = policyText(mode: "testing")
        func ahead(since: WallTime?) throws -> StoredPolicy {
            let fetchedAt = fixture.clock.now + .seconds(3_000 * 86_400)
            return StoredPolicy(
                domain: fixture.domain, text: Array(text.utf8), id: try recordID("2"), fetchedAt: fetchedAt,
                expiresAt: fetchedAt + .seconds(604_800), lastLookupAt: fixture.clock.now, clockBehindSince: since)
        }
        try fixture.restart([try storedPolicy("example.com", at: fixture.clock.now + .seconds(-300))])
        for since in [fixture.clock.now + .seconds(-400), nil] {
            fixture.cache.restore([try LoadedPolicy(ahead(since: since))], at: fixture.clock.now)
            #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
        }
        fixture.cache.restore(
            [try LoadedPolicy(ahead(since: fixture.clock.now + .seconds(-200)))], at: fixture.clock.now)
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .testing)
    }

    @Test func `of two overlapping loads only the last one proves that a domain is not in the store`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let first = fixture.cache.beginLoading()
        let second = fixture.cache.beginLoading()
        fixture.cache.endLoading(first)
        #expect(try fixture.start().step == .readStore)
        fixture.cache.endLoading(second)
        guard case .start(let plan, _) = fixture.cache.lookup(try domain("other.example"), at: fixture.clock.now) else {
            return
        }
        #expect(plan.step == .queryRecord)
    }

    @Test func `after an eviction unknown domains are read from the store even after another load`() throws {
        var cache = RecordedCache(settings: CacheSettings(maximumDomains: 2), isPersistent: true)
        cache.endLoading(cache.beginLoading())
        for name in ["first.example", "second.example", "third.example"] { try learn(try domain(name), in: &cache) }
        cache.endLoading(cache.beginLoading())
        guard case .start(let plan, _) = cache.lookup(try domain("first.example"), at: clock.now) else { return }
        #expect(plan.step == .readStore)
    }

    @Test func `a failed fetch does not save an expired policy again`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        try fixture.restart([try storedPolicy("example.com", at: fixture.clock.now)])
        fixture.clock.advance(.seconds(604_800))
        try fixture.discover(policy: .failed(.hostWithoutAddress))
        // Once, because the expiry is logged.
        #expect(fixture.cache.takeChanges().count == 1)
        fixture.clock.advance(.seconds(300))
        try fixture.discover(policy: .failed(.hostWithoutAddress))
        #expect(fixture.cache.takeChanges() == [])
    }

    @Test func `if the store has nothing, DNS is queried, and lookups wait as long as they may`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let plan = try fixture.start()
        let next = fixture.cache.storeRead(.nothing, in: plan.id, at: fixture.clock.now)
        #expect(next == AfterStoreLookup(next: .queryRecord, timeout: nil))
        guard case .join(plan.id, atMost: nil) = fixture.ask() else { throw UnexpectedError(what: "not joined") }
    }

    @Test func `an expired policy does not apply when it is loaded, but does when the clock is set back`()
        throws
    {
        var fixture = try CacheFixture(isPersistent: true)
        let fetchedAt = fixture.clock.now
        fixture.clock.advance(.seconds(10 * 365 * 86_400))
        try fixture.restart([try storedPolicy("example.com", at: fetchedAt)])
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).isUnknown)
        fixture.clock.advance(.seconds(-10 * 365 * 86_400))
        #expect(fixture.cache.status(of: fixture.domain, at: fixture.clock.now).mode == .enforce)
    }

    @Test func `a known policy is not replaced by the one in the store`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let plan = try fixture.start()
        _ = fixture.cache.storeRead(.nothing, in: plan.id, at: fixture.clock.now)
        _ = fixture.receive(plan, record: .published(try recordID("2")))
        _ = try fixture.receive(plan, id: "2", policy: fetched(mode: "testing"))
        _ = try fixture.finish(plan)
        fixture.cache.restore(
            [try LoadedPolicy(storedPolicy("example.com", at: fixture.clock.now))], at: fixture.clock.now)
        #expect(try fixture.answer().mode == .testing)
    }

    @Test func `a policy that is loaded during its own discovery is not lost`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        let plan = try fixture.start()
        fixture.cache.restore(
            [try LoadedPolicy(storedPolicy("example.com", at: fixture.clock.now))], at: fixture.clock.now)
        _ = fixture.cache.storeRead(.nothing, in: plan.id, at: fixture.clock.now)
        #expect(fixture.receive(plan, record: .absent(.nameError)) == .finish)
        #expect(try fixture.finish(plan).status.mode == .enforce)
    }

    @Test func `STS-10.2-d unknown domains never evict an enforced policy, and it is never deleted on disk`() throws {
        var cache = RecordedCache(settings: CacheSettings(maximumDomains: 100), isPersistent: true)
        let load = cache.beginLoading()
        try cache.restore([LoadedPolicy(storedPolicy("precious.example", at: clock.now))], at: clock.now)
        cache.endLoading(load)
        for number in 1...spam { try deny(try domain("spam\(number).example"), in: &cache) }
        #expect(cache.count == 100)
        let precious = try domain("precious.example")
        #expect(cache.status(of: precious, at: clock.now).mode == .enforce)
        #expect(cache.takeChanges() == [])
    }

    @Test func `an enforced policy that was evicted from memory is read again by the next lookup`() throws {
        var cache = RecordedCache(settings: CacheSettings(maximumDomains: 2), isPersistent: true)
        let load = cache.beginLoading()
        cache.endLoading(load)
        for name in ["first.example", "second.example", "third.example"] { try learn(try domain(name), in: &cache) }
        #expect(cache.takeChanges() == [])
        guard case .start(let plan, _) = cache.lookup(try domain("first.example"), at: clock.now) else { return }
        #expect(plan.step == .readStore)
    }

    @Test func `other evicted policies are removed from the store too`() throws {
        var cache = RecordedCache(settings: CacheSettings(maximumDomains: 2), isPersistent: true)
        let load = cache.beginLoading()
        cache.endLoading(load)
        for (name, mode) in [
            ("t.example", "testing"), ("n.example", "none"), ("e.example", "enforce"), ("f.example", "enforce"),
        ] {
            try learn(try domain(name), mode: mode, in: &cache)
        }
        let evicted = try ["t.example", "n.example"].map {
            StoreChange.evictPolicy(try domain($0), fetchedAt: clock.now)
        }
        #expect(cache.takeChanges() == evicted)
        guard case .start(let plan, _) = cache.lookup(try domain("t.example"), at: clock.now) else { return }
        #expect(plan.step == .queryRecord)
    }

    @Test func `an evicted policy with an earlier fetch in the future is removed from the store too`() throws {
        var cache = RecordedCache(settings: CacheSettings(maximumDomains: 1), isPersistent: true)
        let load = cache.beginLoading()
        let earlier = clock.now + .seconds(86_400)
        let row = StoredPolicy(
            domain: try domain("t.example"), text: Array(policyText(mode: "testing").utf8), id: try recordID("1"),
            fetchedAt: clock.now, expiresAt: earlier + .seconds(604_800), lastLookupAt: clock.now,
            previousFetchedAt: earlier)
        cache.restore([try LoadedPolicy(row)], at: clock.now)
        cache.endLoading(load)
        try learn(try domain("e.example"), in: &cache)
        // The store compares the latest fetch of its row.
        #expect(cache.takeChanges() == [.evictPolicy(row.domain, fetchedAt: earlier)])
    }

    @Test func `if the store has more than fits into memory, the rest is found by lookups`() throws {
        var cache = RecordedCache(settings: CacheSettings(maximumDomains: 10), isPersistent: true)
        let load = cache.beginLoading()
        let saved = try (1...20).map { try LoadedPolicy(storedPolicy("d\($0).example", at: clock.now)) }
        cache.restore(saved, at: clock.now)
        cache.endLoading(load)
        #expect(cache.count == 10)
        guard case .start(let plan, _) = cache.lookup(try domain("d20.example"), at: clock.now) else { return }
        #expect(plan.step == .readStore)
    }

    @Test func `loading evicts unknown domains and no policy`() throws {
        var cache = RecordedCache(settings: CacheSettings(maximumDomains: 10), isPersistent: true)
        let load = cache.beginLoading()
        for number in 1...5 { try deny(try domain("spam\(number).example"), in: &cache) }
        let saved = try (1...20).map {
            try LoadedPolicy(
                storedPolicy("d\($0).example", text: policyText(mode: $0 > 10 ? "testing" : "enforce"), at: clock.now))
        }
        cache.restore(saved, at: clock.now)
        cache.endLoading(load)
        #expect(cache.count == 10)
        for number in 1...10 {
            #expect(cache.status(of: try domain("d\(number).example"), at: clock.now).mode == .enforce)
        }
        #expect(cache.takeChanges() == [])
    }

    @Test func `a failed refresh is saved with its count and reason`() throws {
        var fixture = try CacheFixture(isPersistent: true)
        try fixture.restart([try storedPolicy("example.com", at: fixture.clock.now)])
        let plan = try fixture.nextRefresh(within: .seconds(2 * 86_400))
        try fixture.refresh(plan, result: .failed(.fetch(.certificate(.expired))))
        guard case .savePolicy(let saved)? = fixture.cache.takeChanges().last else {
            throw UnexpectedError(what: "not saved")
        }
        #expect(saved.failure?.category == .webPKIInvalid)
        #expect(saved.failure?.reason == "certificate: expired")
        #expect(saved.text == Array(policyText().utf8))
    }

    private func learn(_ domain: PolicyDomain, mode: String = "enforce", in cache: inout RecordedCache) throws {
        guard case .start(let plan, _) = cache.lookup(domain, at: clock.now) else {
            throw UnexpectedError(what: "no flight")
        }
        let id = try recordID("1")
        if plan.step == .readStore { _ = cache.storeRead(.nothing, in: plan.id, at: clock.now) }
        _ = cache.recordReceived(RecordReport(result: .published(id), timeToLive: 300), in: plan.id, at: clock.now)
        _ = cache.policyReceived(try fetched(mode: mode), id: id, in: plan.id, at: clock.now)
        _ = cache.finish(plan.id, at: clock.now)
    }

    private func deny(_ domain: PolicyDomain, in cache: inout RecordedCache) throws {
        guard case .start(let plan, _) = cache.lookup(domain, at: clock.now) else {
            throw UnexpectedError(what: "no flight")
        }
        if plan.step == .readStore { _ = cache.storeRead(.nothing, in: plan.id, at: clock.now) }
        _ = cache.recordReceived(RecordReport(result: .absent(.nameError), timeToLive: 300), in: plan.id, at: clock.now)
        _ = cache.finish(plan.id, at: clock.now)
    }
}

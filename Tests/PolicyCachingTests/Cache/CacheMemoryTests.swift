import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

/// Memory is limited, and enforced policies are evicted last.
@Suite struct CacheMemoryTests {
    private let now = WallTime(milliseconds: 1_767_225_600_000)

    @Test func `unknown domains do not evict an enforced policy`() throws {
        var cache = RecordedCache(settings: CacheSettings(maximumDomains: 100))
        let precious = try domain("precious.example")
        try add(precious, policy: fetched(), in: &cache)
        for number in 1...10_000 { try addAbsent(try domain("spam\(number).example"), in: &cache) }
        #expect(cache.count == 100)
        #expect(cache.status(of: precious, at: now).mode == .enforce)
    }

    @Test
    func
        `domains without a policy are evicted first, then testing and none, then the least recently used enforced policy`()
        throws
    {
        var cache = RecordedCache(settings: CacheSettings(maximumDomains: 4))
        let names = ["old.example", "new.example", "testing.example", "absent.example"]
        let domains = try names.map { try domain($0) }
        try add(domains[0], policy: fetched(), in: &cache)
        try add(domains[1], policy: fetched(), in: &cache)
        try add(domains[2], policy: fetched(mode: "testing"), in: &cache)
        try addAbsent(domains[3], in: &cache)
        // It was looked up recently, so it stays longer than the other enforced policy.
        _ = cache.lookup(domains[0], at: now)
        for (round, gone) in [3, 2, 1].enumerated() {
            try add(try domain("round\(round).example"), policy: fetched(), in: &cache)
            #expect(cache.status(of: domains[gone], at: now) == .unknown(.unfinished), "\(domains[gone])")
            #expect(cache.status(of: domains[0], at: now).mode == .enforce)
        }
        #expect(cache.count == 4)
    }

    @Test func `a domain with a discovery in progress is not evicted`() throws {
        var cache = RecordedCache(settings: CacheSettings(maximumDomains: 2))
        guard case .start(let plan, _) = cache.lookup(try domain("flying.example"), at: now) else { return }
        for number in 1...100 { try addAbsent(try domain("spam\(number).example"), in: &cache) }
        _ = cache.recordReceived(RecordReport(result: .absent(.noData), timeToLive: 60), in: plan.id, at: now)
        #expect(cache.finish(plan.id, at: now)?.status == .noPolicy(.noData))
    }

    private func add(_ domain: PolicyDomain, policy result: PolicyResult, in cache: inout RecordedCache) throws {
        guard case .start(let plan, _) = cache.lookup(domain, at: now) else { throw UnexpectedError(what: "no flight") }
        let id = try recordID("1")
        _ = cache.recordReceived(RecordReport(result: .published(id), timeToLive: 300), in: plan.id, at: now)
        _ = cache.policyReceived(result, id: id, in: plan.id, at: now)
        _ = cache.finish(plan.id, at: now)
    }

    private func addAbsent(_ domain: PolicyDomain, in cache: inout RecordedCache) throws {
        guard case .start(let plan, _) = cache.lookup(domain, at: now) else { throw UnexpectedError(what: "no flight") }
        _ = cache.recordReceived(RecordReport(result: .absent(.nameError), timeToLive: 300), in: plan.id, at: now)
        _ = cache.finish(plan.id, at: now)
    }
}

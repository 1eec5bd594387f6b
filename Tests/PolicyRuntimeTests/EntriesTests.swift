import Discovery
import MTASTS
import Testing
import TestSupport
import TextFormats

@testable import PolicyCaching
@testable import PolicyRuntime

/// Lists of the cached domains: filters, orders and pages.
@Suite(.timeLimit(.minutes(5))) struct EntriesTests {
    private typealias Fixture = PolicyServiceTests.Fixture

    private static let day = Duration.seconds(86_400)
    private let now = ManualTime().now

    /// Runs with this many policies. Many have equal times, so that ties matter.
    private func run(
        with count: Int, _ test: @Sendable @escaping (PolicyService) async throws -> Void
    ) async throws {
        let stored = try (0..<count).map { number in
            try storedPolicy(
                "d\(number).example", text: policyText(maxAge: 604_800 + number % 13),
                at: now + .seconds(-(number % 7)), asked: now + .seconds(-(number % 11)))
        }
        let fixture = Fixture(store: MemoryPolicyStore(stored))
        try await fixture.run {
            await fixture.log.appearance(of: "policies loaded")
            try await test(fixture.service)
        }
    }

    private static func all(_ query: EntryQuery, of service: PolicyService) async throws -> [EntryReport] {
        var query = query
        var entries: [EntryReport] = []
        while true {
            let page = await service.entries(query)
            #expect(page.entries.count <= query.limit)
            entries += page.entries
            guard let next = page.next else { return entries }
            // Encoded and decoded, as in a URL.
            query.after = EntryCursor("\(next)")
            #expect(query.after == next)
        }
    }

    @Test(arguments: EntryQuery.Order.allCases)
    func `the pages have each of 2,000 entries exactly once, in any order`(order: EntryQuery.Order) async throws {
        try await run(with: 2_000) { service in
            let query = EntryQuery(order: order, isDescending: order == .asked, limit: 100)
            let entries = try await Self.all(query, of: service)
            #expect(entries.count == 2_000)
            #expect(Set(entries.map(\.domain)).count == 2_000)
        }
    }

    @Test(arguments: EntryQuery.Order.allCases, [1, 70, 300, 50_000])
    func `the whole list is the pages joined, for each portion size`(
        order: EntryQuery.Order, portion: Int
    ) async throws {
        try await run(with: 300) { service in
            let query = EntryQuery(text: "1", order: order, isDescending: order == .expiry, limit: 7)
            let pages = try await Self.all(query, of: service)
            var entries: [EntryReport] = []
            for await part in EntryListing(policies: service, query: query, portion: portion) { entries += part }
            #expect(entries == pages)
        }
    }

    @Test func `a list continues after a domain that is forgotten meanwhile`() async throws {
        try await run(with: 1_200) { service in
            var parts = service.list(EntryQuery(order: .domain)).makeAsyncIterator()
            let first = await parts.next() ?? []
            #expect(first.count == EntryListing.partSize)
            for number in 0..<1_200 where number % 2 == 0 { _ = await service.forget(try domain("d\(number).example")) }
            var rest: [EntryReport] = []
            while let part = await parts.next() { rest += part }
            let left = (0..<1_200).filter { $0 % 2 == 1 }.map { "d\($0).example" }
            let seen = Set(first.map(\.domain.name.text))
            #expect(rest.map(\.domain.name.text) == left.sorted().filter { !seen.contains($0) })
        }
    }

    @Test(arguments: [1, 7, 99, 100, 101, 300])
    func `each order is kept across pages of any size, forwards and backwards`(limit: Int) async throws {
        try await run(with: 300) { service in
            for order in EntryQuery.Order.allCases {
                let forwards = try await Self.all(EntryQuery(order: order, limit: limit), of: service)
                let backwards = try await Self.all(
                    EntryQuery(order: order, isDescending: true, limit: limit), of: service)
                #expect(forwards.count == 300)
                switch order {
                case .none: #expect(Set(forwards.map(\.domain)).count == 300)
                case .domain: #expect(forwards.map(\.domain.name).isSorted)
                case .expiry: #expect(forwards.compactMap(\.policy?.expiresAt).isSorted)
                case .fetched: #expect(forwards.compactMap(\.policy?.fetchedAt).isSorted)
                case .asked: #expect(forwards.map(\.lastLookupAt).isSorted)
                }
                #expect(backwards == (order == .none ? forwards : forwards.reversed()))
            }
        }
    }

    @Test func `a limit is at least one entry, and at most a thousand`() async throws {
        try await run(with: 1_100) { service in
            for (limit, count) in [(-1, 1), (0, 1), (1, 1), (1_000, 1_000), (1_001, 1_000), (.max, 1_000)] {
                let page = await service.entries(EntryQuery(limit: limit))
                #expect(page.entries.count == count)
            }
        }
    }

    @Test func `the last page has no cursor`() async throws {
        try await run(with: 200) { service in
            let first = await service.entries(EntryQuery(limit: 100))
            let second = await service.entries(EntryQuery(after: first.next, limit: 100))
            #expect(first.next != nil && second.next == nil)
            #expect(second.entries.count == 100)
        }
    }

    // MARK: Filters

    /// Domains in each state, and one whose policy cannot be refreshed.
    private func various() async throws -> Fixture {
        let fixture = Fixture()
        for mode in ["enforce", "testing", "none"] {
            fixture.publish(
                "\(mode).example", policy: policyText(mode: mode, maxAge: mode == "testing" ? 3_600 : 604_800))
        }
        fixture.publish("failing.example")
        fixture.publish("unknown.example")
        fixture.fetcher.script("mta-sts.unknown.example", reply: .failure(.http(.status(404))))
        return fixture
    }

    private static let names = ["enforce", "testing", "none", "no-policy", "unknown", "failing"]

    private func names(_ query: EntryQuery, in fixture: Fixture) async -> [String] {
        await fixture.service.entries(query).entries.compactMap { $0.domain.name.labels.first.map(String.init) }
    }

    @Test func `domains are found by their state`() async throws {
        let fixture = try await various()
        try await fixture.run {
            for name in Self.names { _ = try await fixture.answer("\(name).example") }
            fixture.fetcher.script("mta-sts.failing.example", reply: .failure(.certificate(.expired)))
            fixture.clock.advance(.seconds(1))
            _ = await fixture.service.refresh(try domain("failing.example"))
            let queries: [(EntryQuery, [String])] = [
                (EntryQuery(), Self.names.sorted()),
                (EntryQuery(states: [.enforce]), ["enforce", "failing"]),
                (EntryQuery(states: [.testing, .none]), ["none", "testing"]),
                (EntryQuery(states: [.noPolicy]), ["no-policy"]),
                (EntryQuery(states: [.unknown]), ["unknown"]),
                (EntryQuery(isFailing: true), ["failing", "unknown"]),
                (EntryQuery(states: [.enforce], isFailing: true), ["failing"]),
                (EntryQuery(expiringWithin: .seconds(3_600)), ["testing"]),
                (EntryQuery(expiringWithin: .seconds(3_598)), []),
                (EntryQuery(expiringWithin: .seconds(Int64.max)), ["enforce", "failing", "none", "testing"]),
                (EntryQuery(text: "ING.EX"), ["failing", "testing"]),
                (EntryQuery(text: "example"), Self.names.sorted()),
                (EntryQuery(text: "enforce.example"), ["enforce"]),
                (EntryQuery(text: "enforce.example.x"), []),
                (EntryQuery(text: "ä"), []),
                (EntryQuery(order: .expiry, limit: 1), ["testing"]),
            ]
            for (query, expected) in queries {
                let found = await names(query, in: fixture)
                #expect(found == expected, "\(query)")
            }
            for isDescending in [false, true] {
                let found = await names(EntryQuery(order: .expiry, isDescending: isDescending), in: fixture)
                #expect(Set(found.suffix(2)) == ["no-policy", "unknown"], "what has no life is last")
            }
        }
    }

    @Test func `a failure of mode none is not shown`() async throws {
        let fixture = try await various()
        try await fixture.run {
            _ = try await fixture.answer("none.example")
            fixture.fetcher.script("mta-sts.none.example", reply: .failure(.certificate(.expired)))
            fixture.clock.advance(.seconds(1))
            _ = await fixture.service.refresh(try domain("none.example"))
            let found = await names(EntryQuery(isFailing: true), in: fixture)
            #expect(found == [])
        }
    }

    @Test func `a list does not count as a use of a domain`() async throws {
        try await run(with: 50) { service in
            let before = try await Self.all(EntryQuery(), of: service)
            let after = try await Self.all(EntryQuery(), of: service)
            #expect(before == after)
        }
    }

    @Test(arguments: ["", "x", "1", "_", "1_not a domain", "1_-", "99999999999999999999_a.example", "1_a.example\0"])
    func `an invalid cursor is rejected`(text: String) {
        #expect(EntryCursor(text) == nil)
    }

    @Test(arguments: [
        "0_", "-5_", "9223372036854775807_", "-9223372036854775808_a.example", "9223372036854775807_b.example",
    ])
    func `an unknown cursor gives a page, possibly an empty one`(text: String) async throws {
        let cursor = try #require(EntryCursor(text))
        try await run(with: 10) { service in
            for order in EntryQuery.Order.allCases {
                for isDescending in [false, true] {
                    let query = EntryQuery(order: order, isDescending: isDescending, after: cursor)
                    let page = await service.entries(query)
                    #expect(page.entries.count <= 10)
                }
            }
        }
    }
}

extension Collection where Element: Comparable {
    fileprivate var isSorted: Bool { zip(self, dropFirst()).allSatisfy { $0 <= $1 } }
}

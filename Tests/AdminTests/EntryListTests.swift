import Foundation
import Hummingbird
import MTASTS
import NIOCore
import Synchronization
import Testing
import TestSupport

@testable import AdminAPI
@testable import AdminServer
@testable import PolicyCaching

/// Lists of any length: page by page, with bounded memory.
@Suite(.timeLimit(.minutes(5))) struct EntryListTests {
    private static let names = (0..<2_500).map { "d\($0).example" }

    private func fixture() throws -> AdminFixture {
        let now = ManualTime().now
        return try AdminFixture(store: MemoryPolicyStore(try Self.names.map { try storedPolicy($0, at: now) }))
    }

    @Test func `the pages of the list join without a gap`() async throws {
        let fixture = try fixture()
        try await fixture.withClient { client in
            await fixture.log.appearance(of: "policies loaded")
            var names: [String] = []
            var sizes: [Int] = []
            var after: String?
            repeat {
                let list: EntryListResponse = try await client.get(
                    AdminEndpoint.entries(query: [("limit", "1000"), ("after", after)]))
                names += list.entries.map(\.domain)
                sizes.append(list.entries.count)
                after = list.next
            } while after != nil
            let isWhole = names == Self.names.sorted()
            #expect(isWhole, "\(names.count)")
            #expect(sizes == [1_000, 1_000, 500])
        }
    }

    @Test func `the whole list arrives as lines, each domain once`() async throws {
        let fixture = try fixture()
        try await fixture.withClient { client in
            await fixture.log.appearance(of: "policies loaded")
            var names: [String] = []
            try await client.lines(AdminEndpoint.entries(query: [("all", "true")]), of: EntrySummary.self) {
                names.append($0.domain)
            }
            let isWhole = names.sorted() == Self.names.sorted()
            #expect(isWhole, "\(names.count)")
        }
    }

    @Test func `the query filters and sorts`() async throws {
        let fixture = try AdminFixture()
        fixture.publish("b-enforce.example")
        fixture.publish("a-enforce.example", policy: policyText(maxAge: 86_400))
        fixture.publish("testing.example", policy: policyText(mode: "testing"))
        fixture.resolver.script("_mta-sts.failing.example", type: .txt, reply: .failure(.responseCode(2)))
        try await fixture.withClient { client in
            for name in ["b-enforce", "a-enforce", "testing", "failing", "none"] {
                try await fixture.lookUp("\(name).example")
                fixture.clock.advance(.seconds(6))
            }
            func names(_ query: (name: String, value: String?)...) async throws -> [String] {
                let list: EntryListResponse = try await client.get(AdminEndpoint.entries(query: query))
                return list.entries.map { String($0.domain.dropLast(".example".count)) }
            }
            #expect(try await names() == ["a-enforce", "b-enforce", "failing", "none", "testing"])
            #expect(try await names(("state", "enforce")) == ["a-enforce", "b-enforce"])
            #expect(try await names(("state", "no-policy,unknown")) == ["failing", "none"])
            #expect(try await names(("failing", "true")) == ["failing"])
            #expect(try await names(("expiringWithin", "90000")) == ["a-enforce"])
            #expect(try await names(("text", "ENF")) == ["a-enforce", "b-enforce"])
            #expect(try await names(("sort", "expiry"), ("limit", "2")) == ["a-enforce", "b-enforce"])
            #expect(try await names(("sort", "asked"), ("descending", "true"), ("limit", "2")) == ["none", "failing"])
        }
    }

    /// A long list, and a reader that takes one page at a time.
    @Test func `the next page is read when the peer has taken the one before`() async throws {
        let asked = Atomic(0)
        let entry = try report()
        let pages = 2_000
        // Three entries stand for a full page.
        let stream = EntryStream(
            pages: AsyncStream<[EntryReport]> {
                asked.add(1, ordering: .relaxed).newValue <= pages ? [entry, entry, entry] : nil
            })
        let taken = Atomic(0)
        let writer = PageReader { buffer in
            #expect(asked.load(ordering: .relaxed) == taken.add(1, ordering: .relaxed).newValue)
            #expect(buffer.readableBytesView.count { $0 == UInt8(ascii: "\n") } == 3)
            await Task.yield()
        }
        try await stream.body.write(writer)
        #expect(taken.load(ordering: .relaxed) == pages)
    }

    @Test func `lines are split wherever the pieces end`() {
        let text = "one\ntwo\n\nfour\n"
        for size in 1...text.utf8.count {
            var decoder = LineDecoder()
            var lines: [String] = []
            let octets = Array(text.utf8)
            for start in stride(from: 0, to: octets.count, by: size) {
                let piece = Data(octets[start..<min(start + size, octets.count)])
                lines += decoder.append(piece).map { String(decoding: $0, as: UTF8.self) }
            }
            #expect(lines == ["one", "two", "", "four"])
            #expect(decoder.pendingCount == 0)
        }
        var decoder = LineDecoder()
        #expect(decoder.append(Data("half".utf8)).isEmpty)
        #expect(decoder.pendingCount == 4)
    }

    private func report() throws -> EntryReport {
        EntryReport(
            domain: try domain("example.com"), state: .unknown, policy: nil, isApplied: false, record: nil,
            failure: nil,
            lastLookupAt: ManualTime().now, refreshAt: nil, isInProgress: false, isInStoreOnly: false, isFailing: false)
    }
}

/// The other end of a response: calls `take` with each piece.
private struct PageReader: ResponseBodyWriter {
    let take: @Sendable (ByteBuffer) async -> Void

    mutating func write(_ buffer: ByteBuffer) async throws { await take(buffer) }
    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

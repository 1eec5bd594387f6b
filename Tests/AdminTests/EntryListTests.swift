import Hummingbird
import MTASTS
import NIOCore
import Synchronization
import Testing
import TestSupport

@testable import Admin
@testable import PolicyService

/// Lists of any length: page by page, and nothing held back on the way.
@Suite(.timeLimit(.minutes(5))) struct EntryListTests {
    private static let names = (0..<2_500).map { "d\($0).example" }

    private func lab() throws -> AdminLab {
        let now = ManualTime().now
        return try AdminLab(archive: MemoryArchive(try Self.names.map { try archived($0, at: now) }))
    }

    @Test func `the list is handed out in parts that join without a gap`() async throws {
        let lab = try lab()
        try await lab.ask { client in
            await lab.log.appearance(of: "policies loaded")
            var names: [String] = []
            var sizes: [Int] = []
            var after: String?
            repeat {
                let list: EntryList = try await client.get(
                    Target("/v1/entries", query: [("limit", "1000"), ("after", after)]))
                names += list.entries.map(\.domain)
                sizes.append(list.entries.count)
                after = list.next
            } while after != nil
            let isWhole = names == Self.names.sorted()
            #expect(isWhole, "\(names.count)")
            #expect(sizes == [1_000, 1_000, 500])
        }
    }

    @Test func `the whole list comes as lines, each domain once`() async throws {
        let lab = try lab()
        try await lab.ask { client in
            await lab.log.appearance(of: "policies loaded")
            var names: [String] = []
            try await client.lines(Target("/v1/entries", query: [("all", "true")]), of: EntryLine.self) {
                names.append($0.domain)
            }
            let isWhole = names.sorted() == Self.names.sorted()
            #expect(isWhole, "\(names.count)")
        }
    }

    @Test func `filters and orders are those of the query`() async throws {
        let lab = try AdminLab()
        lab.publish("b-enforce.example")
        lab.publish("a-enforce.example", policy: policyText(maxAge: 86_400))
        lab.publish("testing.example", policy: policyText(mode: "testing"))
        lab.resolver.script("_mta-sts.failing.example", .txt, .failure(.responseCode(2)))
        try await lab.ask { client in
            for name in ["b-enforce", "a-enforce", "testing", "failing", "none"] {
                try await lab.look(up: "\(name).example")
                lab.clock.advance(.seconds(6))
            }
            func names(_ query: (name: String, value: String?)...) async throws -> [String] {
                let list: EntryList = try await client.get(Target("/v1/entries", query: query))
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

    /// A million domains, and a reader who takes one page at a time.
    @Test func `the next page is looked for when the one before has been taken`() async throws {
        let asked = Atomic(0)
        let entry = try report()
        let pages = 2_000
        // Three of a part stand for all of it.
        let stream = EntryStream(
            parts: AsyncStream<[EntryReport]> {
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

    @Test func `lines are cut wherever the pieces end`() {
        let text = "one\ntwo\n\nfour\n"
        for size in 1...text.utf8.count {
            var cutter = LineCutter()
            var lines: [String] = []
            let octets = Array(text.utf8)
            for start in stride(from: 0, to: octets.count, by: size) {
                let piece = ByteBuffer(bytes: octets[start..<min(start + size, octets.count)])
                lines += cutter.cut(piece).map { String(buffer: $0) }
            }
            #expect(lines == ["one", "two", "", "four"])
            #expect(cutter.isEmpty)
        }
        var cutter = LineCutter()
        #expect(cutter.cut(ByteBuffer(string: "half")).isEmpty)
        #expect(!cutter.isEmpty)
    }

    private func report() throws -> EntryReport {
        EntryReport(
            domain: try domain("example.com"), state: .unknown, policy: nil, isApplied: false, record: nil,
            failure: nil,
            askedAt: ManualTime().now, refreshAt: nil, isUnderWay: false, isInArchiveOnly: false, isFailing: false)
    }
}

/// The other end of a response: says when it has taken a piece.
private struct PageReader: ResponseBodyWriter {
    let take: @Sendable (ByteBuffer) async -> Void

    mutating func write(_ buffer: ByteBuffer) async throws { await take(buffer) }
    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

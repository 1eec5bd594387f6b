import Discovery
import MTASTS
import TestSupport
import TextFormats
import Testing

@testable import PolicyCaching

@Suite struct CompactEntryTests {
    private let now = WallTime(milliseconds: 1_767_310_200_000)
    private var entry = CacheEntry(lastLookupAt: WallTime(milliseconds: 1))

    private func policy(_ id: String, mx: String = "mx.example.com") throws -> CachedPolicy {
        let text = "version: STSv1\nmode: enforce\nmx: \(mx)\nmax_age: 86400\n"
        return CachedPolicy(try STSPolicy(Array(text.utf8)), id: try #require(RecordID(id)), fetchedAt: now)
    }

    private func record(_ result: RecordResult) -> CacheEntry.Record {
        CacheEntry.Record(result: result, at: now, lifetime: .seconds(3_600))
    }

    @Test func `a million entries fit into the memory that the documents name`() {
        #expect(MemoryLayout<CacheEntry>.size <= 87)
    }

    @Test mutating func `the record keeps its id when the policy changes or goes`() throws {
        entry.record = record(.published(try #require(RecordID("1"))))
        #expect(entry.record?.result == .published(try #require(RecordID("1"))))
        entry.cached = try policy("1")
        #expect(entry.record?.result == .published(try #require(RecordID("1"))))
        entry.cached = try policy("2")
        #expect(entry.record?.result == .published(try #require(RecordID("1"))))
        #expect(entry.cached?.id.text == "2")
        entry.cached = try policy("1")
        entry.cached = nil
        #expect(entry.record?.result == .published(try #require(RecordID("1"))))
        #expect(entry.record?.lifetime == .seconds(3_600))
    }

    @Test(arguments: [RecordResult.absent(.nameError), .absent(.noData), .absent(.noCandidate), .absent(.several(2))])
    mutating func `each result of DNS is kept as it is`(_ result: RecordResult) {
        entry.record = record(result)
        #expect(entry.record?.result == result)
        #expect(entry.record?.at == now)
        entry.record = nil
        #expect(entry.record == nil)
    }

    @Test mutating func `the last fetch stays when the policy changes`() throws {
        entry.replacePolicy(with: try policy("1"))
        #expect(entry.lastFetch == now)
        entry.cached = nil
        #expect(entry.lastFetch == now)
        entry.lastFetch = now + .seconds(5)
        entry.cached = try policy("2")
        #expect(entry.lastFetch == now + .seconds(5))
    }

    @Test mutating func `times of the clock and what is in progress are kept beside each other`() throws {
        entry.cached = try policy("1").clockBehind(since: now)
        entry.activity = .discovering(FlightID(number: 7))
        entry.refreshAt = now
        entry.refreshMinute = 5
        #expect(entry.cached?.clockBehindSince == now)
        #expect(entry.flight == FlightID(number: 7))
        entry.cached = try policy("1")
        #expect(entry.cached?.clockBehindSince == nil)
        #expect(entry.flight == FlightID(number: 7))
        entry.activity = .idle
        #expect(entry.activity == .idle)
        #expect(entry.refreshAt == now)
        #expect(entry.refreshMinute == 5)
        #expect(entry.expiryMinute == nil)
    }

    @Test func `equal texts share their memory, and others do not`() throws {
        var shared = SharedPolicies()
        let text = Array("version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 86400\n".utf8)
        let first = try shared.policy(text)
        let copy = Array(text.map { $0 })
        let second = try shared.policy(copy)
        #expect(address(first.octets) == address(second.octets))
        #expect(address(shared.sharing(try STSPolicy(copy)).octets) == address(first.octets))
        let other = Array("version: STSv1\nmode: testing\nmx: mx.example.com\nmax_age: 86400\n".utf8)
        #expect(try shared.policy(other).mode == .testing)
        #expect(throws: PolicyError.self) { try shared.policy(Array("mode: enforce\n".utf8)) }
    }

    private func address(_ octets: [UInt8]) -> Int {
        octets.withUnsafeBufferPointer { Int(bitPattern: $0.baseAddress) }
    }
}

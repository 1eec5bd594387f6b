import Discovery
import MTASTS
import PolicyCaching
import TestSupport
import Testing
import TextFormats

@Suite struct RecentLookupsTests {
    private var lookups = RecentLookups()

    private func lookup(_ name: String, at seconds: Int64) throws -> RecentLookup {
        RecentLookup(
            destination: Destination(domain: try domain(name)), at: WallTime(milliseconds: seconds * 1_000),
            rule: .enforce, reply: "secure")
    }

    private func times(_ name: String) throws -> [Int64] {
        lookups.last(of: try domain(name)).map { $0.at.milliseconds / 1_000 }
    }

    @Test mutating func `the last four lookups of a domain are returned, newest first`() throws {
        for second in 1...6 { lookups.add(try lookup("example.com", at: Int64(second))) }
        #expect(try times("example.com") == [6, 5, 4, 3])
        #expect(try times("other.example") == [])
    }

    @Test mutating func `a busy domain does not evict others, and many domains leave the last ones`() throws {
        lookups.add(try lookup("quiet.example", at: 1))
        for second in 0..<10_000 { lookups.add(try lookup("busy.example", at: Int64(second))) }
        #expect(try times("quiet.example") == [1])
        for number in 0..<20_000 { lookups.add(try lookup("n\(number).example", at: Int64(number))) }
        #expect(try times("n19999.example") == [19_999])
        #expect(try times("quiet.example") == [])
    }
}

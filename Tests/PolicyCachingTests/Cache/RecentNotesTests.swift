import MTASTS
import Testing
import TestSupport

@testable import PolicyCaching

@Suite struct RecentNotesTests {
    private var notes = RecentNotes<Int>(domains: 2, limit: 3)

    @Test mutating func `the last notes of a domain are returned, newest first`() throws {
        let name = try domain("example.com")
        for number in 1...5 { notes.add(number, of: name) }
        #expect(notes.last(of: name) == [5, 4, 3])
        #expect(notes.last(of: try domain("other.example")) == [])
    }

    @Test
    mutating func `a busy domain does not evict the others; the domain with the oldest last note is evicted first`()
        throws
    {
        let names = try ["a.example", "b.example", "c.example"].map { try domain($0) }
        notes.add(1, of: names[0])
        for number in 1...1_000 { notes.add(number, of: names[1]) }
        #expect(notes.last(of: names[0]) == [1])
        notes.add(2, of: names[0])
        notes.add(3, of: names[2])
        #expect(notes.last(of: names[1]) == [])
        #expect(notes.last(of: names[0]) == [2, 1])
        #expect(notes.last(of: names[2]) == [3])
    }
}

import MTASTS
import Testing

@Suite struct MXPatternTests {
    @Test(arguments: try Corpus.cases("patterns"))
    func `a pattern allows the hosts that the corpus says and no others`(row: CorpusCase) throws {
        let text = try #require(row.first("mx"))
        let pattern = try #require(MXPattern(text))
        if let printed = row.first("prints") { #expect(pattern.description == printed) }
        for host in try row.hosts("yes") { #expect(pattern.matches(host)) }
        for host in try row.hosts("no") { #expect(!pattern.matches(host)) }
    }

    @Test func `a pattern is a name or a wildcard of a name (STS-3.2-r)`() throws {
        let name = try #require(DomainName("example.com"))
        #expect(MXPattern("Example.com") == .exact(name))
        #expect(MXPattern("*.Example.com") == .anyLabel(of: name))
        #expect(MXPattern("*.example.com")?.name == name)
    }

    @Test(arguments: ["", "*", "*.", "*.*", "**.a", ".a", "a.", "*..a", "*.a.", "a b", "a_b", "ä", "*.[1]", "a\0"])
    func `anything else is no pattern (STS-3.2-r)`(text: String) {
        #expect(MXPattern(text) == nil)
    }
}

extension CorpusCase {
    fileprivate func hosts(_ key: String) throws -> [DomainName] {
        try all(key).map { try #require(DomainName($0)) }
    }
}

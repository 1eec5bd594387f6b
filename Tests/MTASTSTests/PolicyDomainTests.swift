import MTASTS
import Testing

@Suite struct PolicyDomainTests {
    @Test(arguments: try Corpus.cases("domains"))
    func `the names derived from a domain are those of the corpus`(row: CorpusCase) throws {
        let text = try #require(row.first("domain"))
        let domain = PolicyDomain(text)
        #expect((domain == nil) == (row.first("refused") != nil))
        #expect(domain?.recordName == row.first("record"))
        #expect(domain?.policyHost == row.first("host"))
        #expect(domain?.policyURL == row.first("url"))
    }

    @Test func `a domain is as long as its record's name allows (STS-3.1-a)`() {
        let labels = String(repeating: String(repeating: "a", count: 60) + ".", count: 4)  // 244 octets
        #expect(PolicyDomain(labels.dropLast() + "b")?.recordName.utf8.count == 253)
        #expect(PolicyDomain(labels.dropLast() + "bb") == nil)
    }
}

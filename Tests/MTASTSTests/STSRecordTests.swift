import MTASTS
import Testing

@Suite struct STSRecordTests {
    @Test(arguments: try Corpus.cases("records"))
    func `an RRset comes to what the corpus says`(row: CorpusCase) throws {
        let records = try row.recordStrings.map { try #require(TXTRecord(rdata: rdata($0))) }
        #expect(words(STSRecord.select(from: records)) == row.first("is"))
    }

    @Test(arguments: try Corpus.cases("records"))
    func `a record read by the grammar alone comes to what the corpus says`(row: CorpusCase) throws {
        let records = row.recordStrings
        guard let expected = row.first("parse") else { return }
        #expect(records.count == 1)
        switch readRecord(Array(records[0].joined())) {
        case .success(let record): #expect("record \(record.id)" == expected)
        case .failure(let error): #expect(words(error) == expected)
        }
    }

    @Test func `the corpus has a record for every way to be wrong`() throws {
        let met = try Corpus.cases("records").map { row -> RecordError.Reason? in
            guard case .failure(let error) = readRecord(Array(row.recordStrings[0].joined())) else { return nil }
            return error.reason
        }
        #expect(Set(RecordError.Reason.allCases).subtracting(met.compactMap(\.self)).isEmpty)
    }

    @Test func `no records are no candidate (STS-3.1-k)`() {
        #expect(STSRecord.select(from: []) == .noCandidate)
    }

    @Test func `ten thousand candidates are counted (STS-3.1-l, STS-3.1-n)`() throws {
        let record = try #require(TXTRecord(rdata: rdata([octets("v=STSv1; nonsense")])))
        let crowd = [TXTRecord](repeating: record, count: 10_000)
        #expect(STSRecord.select(from: crowd) == .severalCandidates(10_000))
    }

    @Test func `one candidate is found behind ten thousand other records (STS-3.1-k)`() throws {
        let other = try #require(TXTRecord(rdata: rdata([octets("v=STSv1x")])))
        let record = try #require(TXTRecord(rdata: rdata([octets("v=STSv1; id=1")])))
        let crowd = [TXTRecord](repeating: other, count: 10_000) + [record]
        #expect(words(STSRecord.select(from: crowd)) == "record 1")
    }

    @Test(arguments: [
        ("; x=y", true), (" ;\tx=y", true), (";", false), (" ", false), ("; id=b", true), ("=", false), ("x", false),
    ])
    func `a record of 64 KiB is read to its end (STS-3.1-e, STS-3.1-i)`(piece: String, valid: Bool) {
        let text = "v=STSv1; id=a" + String(repeating: piece, count: 65_000 / piece.utf8.count)
        #expect((try? readRecord(octets(text)).get().id.text) == (valid ? "a" : nil))
    }

    @Test func `an error names the place and the rule, not the record's text`() {
        #expect(failure("v=STSv1; id=evil-id") == "octet 16: an id with a character other than letters and digits")
    }

    private func failure(_ text: String) -> String {
        guard case .failure(let error) = readRecord(octets(text)) else { return "valid" }
        return error.description
    }
}

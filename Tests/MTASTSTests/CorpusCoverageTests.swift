import Testing

/// No row of the tables vanishes silently: each is in the corpus or named here as another room's.
@Suite struct CorpusCoverageTests {
    /// RFC 8461 §3.1, §3.2 and §4.1 by requirement, the choices where it is open, and the pitfalls of records and
    /// policy texts, with what the grammar decides of others.
    private static let rows: [String] =
        letters("STS-3.1-", letters: "abcdefghijklmnopqrstuvwx")
        + letters("STS-3.2-", letters: "abcdefghijklmnopqrstuvwxyz") + ["STS-3.2-aa", "STS-3.2-ab"]
        + letters("STS-4.1-", letters: "abcd")
        + numbers("D", in: 1...12)
        + numbers("pitfall-", in: 1...17) + numbers("pitfall-", in: 28...30) + numbers("pitfall-", in: 38...62)
        + ["pitfall-64", "pitfall-81"]

    /// Decided where DNS, HTTPS, the cache or DANE is: nothing here could break them.
    private static let elsewhere: Set<String> = [
        // CNAMEs of the record: the resolver. (That they leave the policy host alone is STS-3.1-s, here.)
        "STS-3.1-q", "STS-3.1-r", "pitfall-1", "pitfall-2",
        // The cache, what failures of DNS mean, and how long an answer is kept.
        "STS-3.1-t", "STS-3.1-w", "STS-3.1-x", "STS-3.2-ab", "D2", "D10",
        "pitfall-13", "pitfall-14", "pitfall-15", "pitfall-16", "pitfall-17",
        // That the body has no id: the policy service.
        "STS-3.1-v",
        // DANE.
        "D9",
    ]

    @Test func `every row that the grammar decides is in the corpus`() throws {
        let covered = try Set(Corpus.files.flatMap(Corpus.cases).flatMap(\.ids))
        #expect(Set(Self.rows).subtracting(Self.elsewhere).subtracting(covered).sorted() == [])
    }

    @Test func `the corpus names no row that the tables lack or another module covers`() throws {
        let covered = try Set(Corpus.files.flatMap(Corpus.cases).flatMap(\.ids))
        #expect(covered.subtracting(Set(Self.rows).subtracting(Self.elsewhere)).sorted() == [])
    }

    @Test(arguments: Corpus.files)
    func `every case has ids and fields, and no other has its title`(file: String) throws {
        let cases = try Corpus.cases(file)
        #expect(cases.allSatisfy { !$0.ids.isEmpty && !$0.fields.isEmpty })
        #expect(Set(cases.map(\.title)).count == cases.count)
    }

    private static func letters(_ prefix: String, letters: String) -> [String] { letters.map { "\(prefix)\($0)" } }

    private static func numbers(_ prefix: String, in numbers: ClosedRange<Int>) -> [String] {
        numbers.map { "\(prefix)\($0)" }
    }
}

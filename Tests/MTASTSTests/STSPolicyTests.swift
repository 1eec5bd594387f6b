import MTASTS
import Testing

@Suite struct STSPolicyTests {
    @Test(arguments: try Corpus.cases("policies"))
    func `a body comes to what the corpus says`(row: CorpusCase) {
        switch readPolicy(row.body) {
        case .success(let policy):
            #expect(words(policy) == row.first("is"))
            #expect(policy.warnings.map { octets("\($0.line) \($0.kind)") } == row.all("notice"))
        case .failure(let error):
            #expect(words(error) == row.first("is"))
            #expect(row.all("notice").isEmpty)
        }
    }

    @Test func `the corpus has a body for every way to be wrong`() throws {
        let met = try Corpus.cases("policies").map { row -> PolicyError.Reason? in
            guard case .failure(let error) = readPolicy(row.body) else { return nil }
            return error.reason
        }
        #expect(Set(PolicyError.Reason.allCases).subtracting(met.compactMap(\.self)).isEmpty)
    }

    @Test func `the corpus has a body for every warning`() throws {
        let met = try Corpus.cases("policies").flatMap { row -> [PolicyWarning] in
            (try? readPolicy(row.body).get().warnings) ?? []
        }
        #expect(Set(met.map(\.kind)) == Set(PolicyWarning.Kind.allCases))
    }

    @Test func `the order of the lines does not count (STS-3.2-j)`() throws {
        let expected = try readPolicy(octets(Self.lines.joined(separator: "\n"))).get()
        for order in permutations(Self.lines) {
            #expect(try readPolicy(octets(order.joined(separator: "\r\n"))).get() == expected)
        }
    }

    @Test func `each mode is one of three words (STS-3.2-m)`() throws {
        for mode in STSPolicy.Mode.allCases {
            let text = "version: STSv1\nmode: \(mode.rawValue)\nmx: mx.example.com\nmax_age: 1\n"
            #expect(try readPolicy(octets(text)).get().mode == mode)
        }
    }

    @Test func `a policy allows the hosts of any of its patterns (STS-4.1-c, D12)`() throws {
        let text = "version: STSv1\nmode: enforce\nmx: a.example.com\nmx: *.example.net\nmax_age: 1\n"
        let policy = try readPolicy(octets(text)).get()
        let hosts = ["A.example.com", "b.example.net", "b.example.com", "a.b.example.net"].compactMap { DomainName($0) }
        #expect(hosts.map(policy.allows) == [true, true, false, false])
    }

    @Test func `warnings stop at their limit (STS-3.2-g)`() throws {
        let body = octets(Self.lines.joined(separator: "\n")) + [UInt8](repeating: UInt8(ascii: "\n"), count: 65_000)
        let warnings = try readPolicy(body).get().warnings
        #expect(warnings.count == STSPolicy.maximumWarnings)
        #expect(warnings.first == warnings.min { $0.line < $1.line })
    }

    @Test(arguments: ["mx: *.a.example\n", "a: b\n", "mode: none\n", "\r\n", " \n", "a", "\r", ":", " ", "\t", "é"])
    func `a body of 64 KiB is read to its end or its first fault`(piece: String) {
        let policy = Self.lines.joined(separator: "\n") + "\n"
        let tail = String(repeating: piece, count: 65_000 / piece.utf8.count)
        let isLines = piece.utf8.last == UInt8(ascii: "\n") || piece == " " || piece == "\t"
        #expect(((try? readPolicy(octets(policy + tail)).get()) != nil) == isLines)
    }

    @Test func `an error names the line and the rule, not the body's text`() {
        #expect(failure("version: STSv1\nmode: evil\n") == "line 2: the mode is not enforce, testing or none")
        #expect(failure("version: STSv1\n") == "no mode")
    }

    @Test func `a notice names the line and what was done`() throws {
        let text = "version: STSv1\n\nmode: none\nmode: evil\nmax_age: 9999999999\n"
        let warnings = try readPolicy(octets(text)).get().warnings
        #expect(
            warnings.map(\.description) == [
                "line 2: blank line ignored", "line 4: duplicate key ignored",
                "line 5: max_age above the maximum, 31557600 used",
            ])
    }

    private static let lines = ["version: STSv1", "mode: enforce", "mx: mx.example.com", "max_age: 86400"]

    private func failure(_ text: String) -> String {
        guard case .failure(let error) = readPolicy(octets(text)) else { return "valid" }
        return error.description
    }

    private func permutations(_ items: [String]) -> [[String]] {
        guard !items.isEmpty else { return [[]] }
        return items.indices.flatMap { index in
            var others = items
            let item = others.remove(at: index)
            return permutations(others).map { [item] + $0 }
        }
    }
}

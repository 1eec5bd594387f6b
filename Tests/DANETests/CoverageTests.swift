import DANE
import Testing

/// The `dane` rows of the decision table, over every MX set there can be.
@Suite struct CoverageTests {
    typealias Judgement = HostJudgement<String>

    /// What follows from which judgements occur (by hand): `u`sable, unusable `x`, `n`one, `f`ailed. `N` is an
    /// unknown with a host that has no DANE. The columns: what is known of the MX set, and whether a signature was seen.
    static let table = """
        hosts  secure,signed  secure  insecure,signed  insecure  failed,signed  failed
        -      -              -       -                -         unknown        -
        u      dane           dane    partial          partial   partial        partial
        x      partial        partial partial          partial   partial        partial
        n      -              -       -                -         unknownN       -
        f      unknown        -       unknown          -         unknown        -
        ux     partial        partial partial          partial   partial        partial
        un     partial        partial partial          partial   partial        partial
        uf     dane           dane    partial          partial   partial        partial
        xn     partial        partial partial          partial   partial        partial
        xf     partial        partial partial          partial   partial        partial
        nf     unknownN       -       unknownN         -         unknownN       -
        uxn    partial        partial partial          partial   partial        partial
        uxf    partial        partial partial          partial   partial        partial
        unf    partial        partial partial          partial   partial        partial
        xnf    partial        partial partial          partial   partial        partial
        uxnf   partial        partial partial          partial   partial        partial
        """

    static let words: [Substring: Coverage] = [
        "dane": .complete, "partial": .partial, "unknown": .unknown(someHostHasNone: false),
        "unknownN": .unknown(someHostHasNone: true), "-": .notApplicable,
    ]
    static let letters: [(Character?, Judgement)] = [
        ("u", .usable), ("x", .unusable), ("n", .none), (nil, .absent), ("f", .failed("SERVFAIL")),
    ]

    /// All multisets of up to `size` judgements, as non-decreasing sequences of places in `letters`.
    static func multisets(upTo size: Int) -> [[Int]] {
        var all: [[Int]] = [[]]
        var last: [[Int]] = [[]]
        for _ in 0..<size {
            last = last.flatMap { set in ((set.last ?? 0)..<letters.count).map { set + [$0] } }
            all += last
        }
        return all
    }

    @Test func `DANE-2.2.1-a DANE-6-a every multiset of up to four hosts gets the row of the table`() throws {
        let lines = Self.table.split(separator: "\n").map { $0.split(separator: " ") }
        let header = try #require(lines.first).dropFirst()
        var expected: [Set<Character>: [Substring]] = [:]
        for line in lines.dropFirst() {
            expected[line[0] == "-" ? [] : Set(line[0])] = Array(line.dropFirst())
        }
        #expect(expected.count == 16)

        var rows = 0
        for multiset in Self.multisets(upTo: 4) {
            let hosts = multiset.map { Self.letters[$0].1 }
            let kinds = Set(multiset.compactMap { Self.letters[$0].0 })
            for (column, word) in zip(header, try #require(expected[kinds])) {
                let mx = try #require(MXSecurity.allCases.first { column.hasPrefix("\($0)") })
                let found = Coverage(mx: mx, hosts: hosts, isKnownSigned: column.hasSuffix("signed"))
                #expect(found == Self.words[word], "hosts \(hosts), MX \(column)")
                rows += 1
            }
        }
        // 1 + 5 + 15 + 35 + 70 multisets, three kinds of MX answer, signed or not.
        #expect(rows == 126 * 6)
    }

    @Test func `DANE-2.2.1-b the order of the hosts plays no part`() {
        for multiset in Self.multisets(upTo: 3) {
            let hosts = multiset.map { Self.letters[$0].1 }
            #expect(
                Coverage(mx: .secure, hosts: hosts, isKnownSigned: true)
                    == Coverage(mx: .secure, hosts: hosts.reversed(), isKnownSigned: true))
        }
    }
}

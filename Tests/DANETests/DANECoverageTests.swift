import DANE
import Testing

/// The `dane` rows of the decision table, over every MX set there can be.
@Suite struct DANECoverageTests {
    typealias HostStatus = MXHostStatus<String>

    /// What follows from which statuses occur (by hand): `u`sable, unusable `x`, `n`one, `f`ailed. `unknownP` is an
    /// unknown that cannot become `dane`. The columns: what is known of the MX set, and whether a signature was seen.
    static let table = """
        hosts  secure,signed  secure  insecure,signed  insecure  failed,signed  failed
        -      -              -       -                -         unknown        -
        u      dane           dane    partial          partial   partial        partial
        x      partial        partial partial          partial   partial        partial
        n      -              -       -                -         unknown        -
        f      unknown        -       unknownP         -         unknown        -
        ux     partial        partial partial          partial   partial        partial
        un     partial        partial partial          partial   partial        partial
        uf     dane           dane    partial          partial   partial        partial
        xn     partial        partial partial          partial   partial        partial
        xf     partial        partial partial          partial   partial        partial
        nf     unknownP       -       unknownP         -         unknown        -
        uxn    partial        partial partial          partial   partial        partial
        uxf    partial        partial partial          partial   partial        partial
        unf    partial        partial partial          partial   partial        partial
        xnf    partial        partial partial          partial   partial        partial
        uxnf   partial        partial partial          partial   partial        partial
        """

    static let words: [Substring: DANECoverage] = [
        "dane": .complete, "partial": .partial, "unknown": .unknown(.all),
        "unknownP": .unknown([.partial, .notApplicable]), "-": .notApplicable,
    ]
    static let letters: [(Character?, HostStatus)] = [
        ("u", .usable), ("x", .unusable), ("n", .none), (nil, .absent), ("f", .failed("SERVFAIL")),
    ]

    /// All multisets of up to `size` statuses, as non-decreasing sequences of places in `letters`.
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
                let found = DANECoverage(mx: mx, hosts: hosts, isKnownSigned: column.hasSuffix("signed"))
                #expect(found == Self.words[word], "hosts \(hosts), MX \(column)")
                rows += 1
            }
        }
        // 1 + 5 + 15 + 35 + 70 multisets, three kinds of MX answer, signed or not.
        #expect(rows == 126 * 6)
    }

    /// The same hosts with every failed one as each of the four things that it may turn out to be.
    static func completed(_ hosts: [HostStatus]) -> [[HostStatus]] {
        hosts.reduce([[]]) { sets, host in
            let possible: [HostStatus] =
                if case .failed = host { [.usable, .unusable, .none, .absent] } else { [host] }
            return sets.flatMap { set in possible.map { set + [$0] } }
        }
    }

    private static func completion(_ coverage: DANECoverage) -> DANECoverage.Completion? {
        switch coverage {
        case .complete: .complete
        case .partial: .partial
        case .notApplicable: .notApplicable
        case .unknown: nil
        }
    }

    @Test func `DANE-2.1.2-c DANE-2.2-d an unknown coverage names exactly what its failed answers can lead to`() {
        var unknown = 0
        for multiset in Self.multisets(upTo: 4) {
            let hosts = multiset.map { Self.letters[$0].1 }
            for mx in MXSecurity.allCases {
                guard case .unknown(let found) = DANECoverage(mx: mx, hosts: hosts, isKnownSigned: true) else {
                    continue
                }
                unknown += 1
                // After a failed MX query there may be any hosts, signed or not.
                let sets = mx == .failed ? Self.multisets(upTo: 2).map { $0.map { Self.letters[$0].1 } } : [hosts]
                let securities: [MXSecurity] = mx == .failed ? [.secure, .insecure] : [mx]
                let expected = sets.flatMap(Self.completed).flatMap { hosts in
                    securities.map { DANECoverage(mx: $0, hosts: hosts, isKnownSigned: true) }
                }.compactMap(Self.completion)
                #expect(found == Set(expected), "hosts \(hosts), MX \(mx)")
            }
        }
        // 1 + 5 + 15 + 35 + 70 multisets less those with usable or unusable hosts; with a host that fails, or no MX answer.
        #expect(unknown == 2 * 20 + 35)
    }

    @Test func `a set of a thousand failed hosts is evaluated at once`() {
        let hosts = [HostStatus](repeating: .failed("SERVFAIL"), count: 1_000)
        #expect(DANECoverage(mx: .secure, hosts: hosts, isKnownSigned: true) == .unknown(.all))
    }

    @Test func `DANE-2.2.1-b the order of the hosts plays no part`() {
        for multiset in Self.multisets(upTo: 3) {
            let hosts = multiset.map { Self.letters[$0].1 }
            #expect(
                DANECoverage(mx: .secure, hosts: hosts, isKnownSigned: true)
                    == DANECoverage(mx: .secure, hosts: hosts.reversed(), isKnownSigned: true))
        }
    }
}

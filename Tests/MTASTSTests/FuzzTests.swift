import MTASTS
import TestSupport
import Testing
import TextFormats

/// Mutants of the corpus, the same ones in every run: nothing traps, and what is accepted keeps its promises.
@Suite struct FuzzTests {
    private static let rounds = 20_000

    @Test func `no mutant of a policy breaks the parser or a promise of STSPolicy`() throws {
        let bodies = try Corpus.cases("policies").map(\.body)
        let seeds = bodies + bodies.filter { (try? readPolicy($0).get()) != nil }
        var mutator = Mutator(seed: 8461)
        var accepted = 0
        for _ in 0..<Self.rounds {
            let body = mutator.mutant(of: seeds)
            guard let policy = try? readPolicy(body).get() else { continue }
            accepted += 1
            let kept =
                (0...STSPolicy.maximumMaxAge).contains(policy.maxAge)
                && (!policy.mx.isEmpty || policy.mode == .none)
                && policy.warnings.count <= STSPolicy.maximumWarnings
                && policy.mx.allSatisfy { MXPattern($0.description) == $0 && isSafe($0.description) }
            #expect(kept, "\(UntrustedText.escaped(body, limit: 2000))")
        }
        // A fuzzer whose inputs all fail at the first octet proves nothing.
        #expect(accepted > Self.rounds / 40)
    }

    @Test func `no mutant of a record breaks the parser or a promise of STSRecord`() throws {
        let records = try Corpus.cases("records").flatMap(\.recordStrings).map { Array($0.joined()) }
        let seeds = records + records.filter { (try? readRecord($0).get()) != nil }
        var mutator = Mutator(seed: 3_1)
        var accepted = 0
        for _ in 0..<Self.rounds {
            let octets = mutator.mutant(of: seeds)
            guard let record = try? readRecord(octets).get() else { continue }
            accepted += 1
            #expect(RecordID(record.id.text) == record.id, "\(UntrustedText.escaped(octets, limit: 2000))")
        }
        #expect(accepted > Self.rounds / 40)
    }

    @Test func `no record data breaks the decoder or the selection`() throws {
        let seeds = try Corpus.cases("records").flatMap(\.recordStrings).map(rdata)
        var mutator = Mutator(seed: 1035)
        for _ in 0..<Self.rounds / 4 {
            let records = (0..<3).compactMap { _ in TXTRecord(rdata: mutator.mutant(of: seeds)) }
            let candidates = records.count { $0.octets.starts(with: "v=STSv1;".utf8) }
            switch STSRecord.select(from: records) {
            case .severalCandidates(let count): #expect(count == candidates && count > 1)
            case .record, .invalid: #expect(candidates == 1 || records.count == 1)
            case .noCandidate: #expect(candidates == 0)
            }
        }
    }

    /// What may stand in Postfix's reply: no blank, no brace, nothing but names and the wildcard (STS-3.2-aa).
    private func isSafe(_ text: String) -> Bool {
        text.utf8.allSatisfy { octet in
            "abcdefghijklmnopqrstuvwxyz0123456789-.*".utf8.contains(octet)
        }
    }
}

/// A seeded source of inputs near the corpus.
struct Mutator {
    private var generator: Seeded

    init(seed: UInt64) { generator = Seeded(seed) }

    /// One or two changes to one of `seeds`.
    mutating func mutant(of seeds: [[UInt8]]) -> [UInt8] {
        var octets = seeds.randomElement(using: &generator) ?? []
        for _ in 0..<Int.random(in: 1...2, using: &generator) { change(&octets, seeds: seeds) }
        return octets
    }

    /// Octets that decide in the grammars. The generator picks them more often than others.
    private static let significant = Array(" \t\r\n:;=*.-_0aZ\\\0".utf8) + [0x7F, 0x80, 0xC3, 0xED, 0xF4, 0xFF]

    private mutating func change(_ octets: inout [UInt8], seeds: [[UInt8]]) {
        let place = Int.random(in: 0...octets.count, using: &generator)
        let octet = Self.significant.randomElement(using: &generator) ?? 0
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: octets.insert(octet, at: place)
        case 1 where place < octets.count: octets[place] = octet
        case 2 where place < octets.count: octets[place] = UInt8.random(in: 0...255, using: &generator)
        case 3 where place < octets.count: octets.remove(at: place)
        case 4: octets.removeLast(octets.count - place)
        default: octets.insert(contentsOf: seeds.randomElement(using: &generator) ?? [], at: place)
        }
    }
}

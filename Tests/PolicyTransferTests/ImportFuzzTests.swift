import MTASTS
import PolicyService
import TestSupport
import Testing

@testable import PolicyTransfer

@Suite struct ImportFuzzTests {
    /// What is held when the mutated file comes: newer, older, from the future, broken; `e` is not held.
    private static func held() throws -> [ArchivedPolicy] {
        [
            try kept("a.example", id: "held", age: .seconds(5)),
            try kept("b.example", id: "held", age: .seconds(90_000)),
            try kept("c.example", id: "held", age: .seconds(-86_400)), try kept("d.example", "broken", id: "held"),
        ]
    }

    private static func export() async throws -> [UInt8] {
        let archive = try await opened()
        for name in ["a", "b", "c", "d", "e"] {
            try await archive.commit([.keep(try kept("\(name).example", policyText() + "\nx: \u{2028}\"\n"))])
        }
        return try await exported(archive).sink.octets
    }

    /// Octets changed, doubled, cut out, or put in another place; what means something in the file more often than not.
    private static func mutate(_ octets: inout [UInt8], using generator: inout Seeded) {
        let special = Array("{}[]\",:\\\n\r0129-TZ.\0\u{FF}".utf8) + [0xFF, 0x80, 0x1B]
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            guard let index = octets.indices.randomElement(using: &generator) else { return }
            let end = min(octets.count, index + Int.random(in: 1...60, using: &generator))
            switch Int.random(in: 0...6, using: &generator) {
            case 0: octets[index] ^= 1 << UInt8.random(in: 0...7, using: &generator)
            case 1, 2: octets[index] = special.randomElement(using: &generator) ?? 0
            case 3: octets.insert(special.randomElement(using: &generator) ?? 0, at: index)
            case 4: octets.removeSubrange(index..<end)
            case 5:
                octets.insert(contentsOf: octets[index..<end], at: octets.indices.randomElement(using: &generator) ?? 0)
            default: octets[index] = UInt8(ascii: "0") + UInt8.random(in: 0...9, using: &generator)
            }
        }
    }

    @Test(arguments: 1...20)
    func `a mutated file breaks nothing and extends no life`(seed: UInt64) async throws {
        let export = try await Self.export()
        let held = try Self.held()
        var generator = Seeded(seed)
        var imports = 0
        for _ in 1...1_000 {
            var octets = export
            Self.mutate(&octets, using: &generator)
            let archive = MemoryArchive(held)
            _ = try await archive.open()
            let result = await imported(octets, into: archive, piece: Int.random(in: 1...2_000, using: &generator))
            imports += result.summary.imported
            #expect(result.refusals.count == result.summary.refused)
            let rows = archive.commits.joined()
            #expect(rows.count == result.summary.imported)
            for case .keep(let row) in rows { try check(row, over: held.first { $0.domain == row.domain }) }
        }
        #expect(imports > 1_000, "most lines are still good")
    }

    private func check(_ row: ArchivedPolicy, over held: ArchivedPolicy?) throws {
        let lifetime = Duration.seconds(try STSPolicy(row.text).maxAge)
        #expect(row.fetchedAt <= now)
        #expect(row.askedAt <= now)
        #expect(row.expiresAt == row.fetchedAt + lifetime)
        #expect(row.expiresAt > now)
        #expect(row.record == nil && row.failure == nil)
        guard let held, (try? STSPolicy(held.text)) != nil else { return }
        #expect(min(held.fetchedAt, now) < row.fetchedAt)
    }
}

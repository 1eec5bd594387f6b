import MTASTS
import PolicyCaching
import TestSupport
import Testing
import TextFormats

@testable import PolicyTransfer

@Suite struct ImportFuzzTests {
    /// The store before the import: a newer policy, an older one, one from the future, a broken one; `e.example` is missing.
    private static func storedPolicies() throws -> [StoredPolicy] {
        [
            try StoredPolicy.sample("a.example", id: "stored", age: .seconds(5)),
            try StoredPolicy.sample("b.example", id: "stored", age: .seconds(90_000)),
            try StoredPolicy.sample("c.example", id: "stored", age: .seconds(-86_400)),
            try StoredPolicy.sample("d.example", text: "broken", id: "stored"),
        ]
    }

    private static func export() async throws -> [UInt8] {
        let store = try await openStore()
        for name in ["a", "b", "c", "d", "e"] {
            try await store.commit([
                .savePolicy(try StoredPolicy.sample("\(name).example", text: policyText() + "\nx: \u{2028}\"\n"))
            ])
        }
        return try await runExport(of: store).sink.octets
    }

    /// Changes, inserts, removes and copies octets. Prefers octets that have a meaning in the file.
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
        let stored = try Self.storedPolicies()
        var generator = Seeded(seed)
        var imports = 0
        for _ in 1...1_000 {
            var octets = export
            Self.mutate(&octets, using: &generator)
            let store = MemoryPolicyStore(stored)
            _ = try await store.open()
            let result = await runImport(
                of: octets, into: store, chunkSize: Int.random(in: 1...2_000, using: &generator))
            imports += result.summary.imported
            #expect(result.refusedLines.count == result.summary.refused)
            let rows = store.commits.joined()
            #expect(rows.count == result.summary.imported)
            for case .savePolicy(let row) in rows {
                try check(row, replacing: stored.first { $0.domain == row.domain })
            }
        }
        #expect(imports > 1_000, "most lines are still good")
    }

    private func check(_ row: StoredPolicy, replacing stored: StoredPolicy?) throws {
        let lifetime = Duration.seconds(try STSPolicy(row.text).maxAge)
        #expect(row.fetchedAt <= now)
        #expect(row.lastLookupAt <= now)
        #expect(row.expiresAt == row.fetchedAt + lifetime)
        #expect(row.expiresAt > now)
        #expect(row.record == nil && row.failure == nil)
        guard let stored, (try? STSPolicy(stored.text)) != nil else { return }
        #expect(min(stored.fetchedAt, now) < row.fetchedAt)
    }
}

import Testing

@testable import PolicyCaching

@Suite struct SlotIndexTests {
    private var index = SlotIndex()

    /// Few hashes, so that many slots share a place and the places wrap around.
    private func hash(_ slot: Int32) -> SlotIndex.Hash { SlotIndex.Hash(slot % 7) &* 0x8000_0005 }

    private func found(_ slot: Int32) -> Int32? {
        index.slot(hash(slot)) { $0 == slot }
    }

    @Test mutating func `slots with equal hashes are found, and only as long as they are in the index`() {
        var expected: Set<Int32> = []
        var random = Jitter(seed: 3)
        for _ in 0..<4_000 {
            let slot = Int32(random.next() * 60)
            if expected.remove(slot) == nil {
                expected.insert(slot)
                index.insert(slot, hash: hash)
            } else {
                index.remove(slot, hash: hash)
            }
            #expect(index.count == expected.count)
            for slot in Int32(0)..<60 where (found(slot) != nil) != expected.contains(slot) {
                Issue.record("slot \(slot)")
            }
        }
    }

    @Test func `an empty index has no slot`() {
        #expect(found(0) == nil)
    }
}

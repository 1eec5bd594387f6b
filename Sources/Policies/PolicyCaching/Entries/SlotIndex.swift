/// Finds slots by the hash of their keys. It holds no key: the caller compares the key in the slot.
///
/// A hash table with open addressing and linear probing, at most three quarters full. An entry takes 5 to 11 octets. A
/// `Dictionary` would hold each key a second time.
struct SlotIndex: Sendable {
    typealias Hash = UInt32

    /// A power of two of places, or none.
    private var places: [Int32] = []
    private(set) var count = 0

    private static let empty: Int32 = -1

    private var mask: Int { places.count - 1 }

    private func home(of hash: Hash) -> Int { Int(hash) & mask }

    /// The slot with this hash for which `matches` is true.
    func slot(_ hash: Hash, where matches: (Int32) -> Bool) -> Int32? {
        guard !places.isEmpty else { return nil }
        var place = home(of: hash)
        while places[place] != Self.empty {
            if matches(places[place]) { return places[place] }
            place = (place + 1) & mask
        }
        return nil
    }

    /// Adds a slot that is not in the index.
    ///
    /// - Parameter hash: the hash of a slot's key.
    mutating func insert(_ slot: Int32, hash: (Int32) -> Hash) {
        if (count + 1) * 4 > places.count * 3 { grow(hash: hash) }
        put(slot, hash: hash(slot))
        count += 1
    }

    private mutating func grow(hash: (Int32) -> Hash) {
        let old = places
        places = Array(repeating: Self.empty, count: max(16, old.count * 2))
        for slot in old where slot != Self.empty { put(slot, hash: hash(slot)) }
    }

    private mutating func put(_ slot: Int32, hash: Hash) {
        var place = home(of: hash)
        while places[place] != Self.empty { place = (place + 1) & mask }
        places[place] = slot
    }

    /// Removes a slot that is in the index. Slots that follow it without a gap move back, as far as their hashes allow.
    mutating func remove(_ slot: Int32, hash: (Int32) -> Hash) {
        var gap = home(of: hash(slot))
        while places[gap] != slot { gap = (gap + 1) & mask }
        count -= 1
        var place = (gap + 1) & mask
        while places[place] != Self.empty {
            // Distances from the home place, because the table is a ring.
            let home = home(of: hash(places[place]))
            if (place - home) & mask >= (place - gap) & mask {
                places[gap] = places[place]
                gap = place
            }
            place = (place + 1) & mask
        }
        places[gap] = Self.empty
    }
}

/// A dictionary of bounded size. When it is full, the element that was used longest ago goes first, and of the lower
/// ranks before any of the higher.
///
/// A value of slots in an array, linked by index into one queue a rank, least recently used first. Every operation is
/// O(1); an element costs its key twice, its value and 16 octets of links.
struct BoundedStore<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// What goes first when room is needed: rank 0 before 1 before 2.
    typealias Rank = Int

    private struct Slot: Sendable {
        var key: Key
        var value: Value
        var rank: Rank
        var older: Int32
        var newer: Int32
    }

    private struct Queue: Sendable {
        var oldest: Int32 = none
        var newest: Int32 = none
    }

    private var index: [Key: Int32] = [:]
    private var slots: [Slot?] = []
    private var free: [Int32] = []
    private var queues: [Queue]
    private let capacity: Int

    /// - Parameter capacity: elements, at least 1.
    /// - Parameter ranks: how many ranks there are.
    init(capacity: Int, ranks: Int) {
        self.capacity = max(1, capacity)
        queues = Array(repeating: Queue(), count: ranks)
    }

    var count: Int { index.count }

    /// The value, without counting as a use.
    func peek(_ key: Key) -> Value? {
        index[key].flatMap { slots[Int($0)]?.value }
    }

    /// The value; the element is now the most recently used one of its rank.
    mutating func use(_ key: Key) -> Value? {
        guard let place = index[key], let slot = slots[Int(place)] else { return nil }
        if queues[slot.rank].newest != place {
            unlink(place)
            link(place, rank: slot.rank)
        }
        return slot.value
    }

    /// Stores the value as the most recently used one of its rank.
    ///
    /// - Parameter mayEvict: whether an element can be spared now; one that is busy is not.
    mutating func store(_ value: Value, for key: Key, rank: Rank, mayEvict: (Value) -> Bool) {
        if let place = index[key] {
            unlink(place)
            slots[Int(place)]?.value = value
            link(place, rank: rank)
            return
        }
        makeRoom(mayEvict: mayEvict)
        let slot = Slot(key: key, value: value, rank: rank, older: none, newer: none)
        let place: Int32
        if let reused = free.popLast() {
            place = reused
            slots[Int(reused)] = slot
        } else {
            place = Int32(slots.count)
            slots.append(slot)
        }
        index[key] = place
        link(place, rank: rank)
    }

    mutating func remove(_ key: Key) {
        guard let place = index.removeValue(forKey: key) else { return }
        unlink(place)
        slots[Int(place)] = nil
        free.append(place)
    }

    /// Looks at a bounded number of busy elements a rank, so that a store is never a walk through everything.
    private mutating func makeRoom(mayEvict: (Value) -> Bool) {
        while count >= capacity, let victim = oldest(where: mayEvict) { remove(victim) }
    }

    private func oldest(where mayEvict: (Value) -> Bool) -> Key? {
        for queue in queues {
            var place = queue.oldest
            var looks = 64
            while place != none, looks > 0, let slot = slots[Int(place)] {
                if mayEvict(slot.value) { return slot.key }
                place = slot.newer
                looks -= 1
            }
        }
        return nil
    }

    private mutating func link(_ place: Int32, rank: Rank) {
        let newest = queues[rank].newest
        slots[Int(place)]?.rank = rank
        slots[Int(place)]?.older = newest
        slots[Int(place)]?.newer = none
        if newest == none { queues[rank].oldest = place } else { slots[Int(newest)]?.newer = place }
        queues[rank].newest = place
    }

    private mutating func unlink(_ place: Int32) {
        guard let slot = slots[Int(place)] else { return }
        if slot.older == none {
            queues[slot.rank].oldest = slot.newer
        } else {
            slots[Int(slot.older)]?.newer = slot.newer
        }
        if slot.newer == none {
            queues[slot.rank].newest = slot.older
        } else {
            slots[Int(slot.newer)]?.older = slot.older
        }
    }
}

/// The end of a queue.
private let none: Int32 = -1

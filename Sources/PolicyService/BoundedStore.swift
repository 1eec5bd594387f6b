/// A dictionary of bounded size. When it is full, the element that was used longest ago goes first, and of the lower
/// ranks before any of the higher.
///
/// Elements stand in an array of places; each place is linked into the queue of its rank, least recently used first.
/// Every operation is O(1).
struct BoundedStore<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// What goes first when room is needed: rank 0 before 1 before 2.
    typealias Rank = Int

    private struct Element: Sendable {
        let key: Key
        var value: Value
    }

    /// A place's neighbours in its queue.
    private struct Link: Sendable {
        var rank: Int32
        var older: Int32 = none
        var newer: Int32 = none
    }

    private struct Queue: Sendable {
        var oldest: Int32 = none
        var newest: Int32 = none
    }

    private var index: [Key: Int32] = [:]
    /// `nil` at the places in `free`.
    private var elements: [Element?] = []
    private var links: [Link] = []
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
        index[key].flatMap { elements[Int($0)]?.value }
    }

    /// The value; the element is now the most recently used one of its rank.
    mutating func use(_ key: Key) -> Value? {
        guard let place = index[key] else { return nil }
        let rank = Int(links[Int(place)].rank)
        if queues[rank].newest != place {
            unlink(place)
            link(place, rank: rank)
        }
        return elements[Int(place)]?.value
    }

    /// Stores the value as the most recently used one of its rank.
    ///
    /// - Parameter mayEvict: whether an element can be spared now; one that is busy is not.
    mutating func store(_ value: Value, for key: Key, rank: Rank, mayEvict: (Value) -> Bool) {
        if let place = index[key] {
            unlink(place)
            elements[Int(place)]?.value = value
            link(place, rank: rank)
            return
        }
        makeRoom(mayEvict: mayEvict)
        let place = takePlace(Element(key: key, value: value))
        index[key] = place
        link(place, rank: rank)
    }

    mutating func remove(_ key: Key) {
        guard let place = index.removeValue(forKey: key) else { return }
        unlink(place)
        elements[Int(place)] = nil
        free.append(place)
    }

    private mutating func takePlace(_ element: Element) -> Int32 {
        if let place = free.popLast() {
            elements[Int(place)] = element
            return place
        }
        elements.append(element)
        links.append(Link(rank: 0))
        return Int32(elements.count - 1)
    }

    private mutating func makeRoom(mayEvict: (Value) -> Bool) {
        while count >= capacity, let victim = oldest(where: mayEvict) { remove(victim) }
    }

    /// Looks at a bounded number of busy elements a rank, so that a store is never a walk through everything.
    private func oldest(where mayEvict: (Value) -> Bool) -> Key? {
        for queue in queues {
            var place = queue.oldest
            var looks = 64
            while place != none, looks > 0, let element = elements[Int(place)] {
                if mayEvict(element.value) { return element.key }
                place = links[Int(place)].newer
                looks -= 1
            }
        }
        return nil
    }

    private mutating func link(_ place: Int32, rank: Rank) {
        let newest = queues[rank].newest
        links[Int(place)] = Link(rank: Int32(rank), older: newest)
        if newest == none { queues[rank].oldest = place } else { links[Int(newest)].newer = place }
        queues[rank].newest = place
    }

    private mutating func unlink(_ place: Int32) {
        let link = links[Int(place)]
        let rank = Int(link.rank)
        if link.older == none { queues[rank].oldest = link.newer } else { links[Int(link.older)].newer = link.newer }
        if link.newer == none { queues[rank].newest = link.older } else { links[Int(link.newer)].older = link.older }
    }
}

/// The end of a queue.
private let none: Int32 = -1

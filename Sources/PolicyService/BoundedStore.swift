/// A dictionary of bounded size. When it is full, the element that was used longest ago goes first, and of the lower
/// ranks before any of the higher.
///
/// Elements stand in an array of places; each place is linked into the queue of its rank, least recently used first. One
/// that is busy is in no queue, so it is never in the way. Every operation is O(1).
struct BoundedStore<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// What goes first when room is needed: rank 0 before 1 before 2.
    typealias Rank = Int

    /// An element that had to make room.
    typealias Evicted = (key: Key, value: Value)

    private struct Element: Sendable {
        let key: Key
        var value: Value

        mutating func read<Result>(_ body: (inout Value) -> Result) -> Result { body(&value) }
    }

    /// A place's neighbours in its queue.
    private struct Link: Sendable {
        /// `none`: in no queue.
        var rank: Int32 = none
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
    /// Places that stay, whatever their rank.
    private var held: Set<Int32> = []
    private let capacity: Int

    /// - Parameter capacity: elements, at least 1.
    /// - Parameter ranks: how many ranks there are.
    init(capacity: Int, ranks: Int) {
        self.capacity = max(1, capacity)
        queues = Array(repeating: Queue(), count: ranks)
    }

    var count: Int { index.count }
    var isFull: Bool { count >= capacity }

    /// Whether room can be made by an element of a lower rank.
    func canSpare(below rank: Rank) -> Bool {
        queues[..<rank].contains { spare(in: $0) != none }
    }

    /// The value, without counting as a use.
    func peek(_ key: Key) -> Value? {
        index[key].flatMap { elements[Int($0)]?.value }
    }

    /// The value; the element is now the most recently used one of its rank.
    mutating func use(_ key: Key) -> Value? {
        use(key) { $0 }
    }

    /// What `body` makes of the value, in its place and without copying it; the element is now the most recently used
    /// one of its rank.
    mutating func use<Result>(_ key: Key, _ body: (inout Value) -> Result) -> Result? {
        guard let place = index[key] else { return nil }
        let rank = links[Int(place)].rank
        if rank != none, queues[Int(rank)].newest != place {
            unlink(place)
            link(place, rank: rank)
        }
        return elements.withUnsafeMutableBufferPointer { $0[Int(place)]?.read(body) }
    }

    /// Stores the value as the most recently used one of its rank.
    ///
    /// - Parameter rank: `nil` for an element that cannot be spared now. It is stored even where there is no room, if all
    ///   others are of that kind too.
    /// - Returns: what had to go for it.
    mutating func store(_ value: Value, for key: Key, rank: Rank?) -> [Evicted] {
        var evicted: [Evicted] = []
        let place: Int32
        if let known = index[key] {
            place = known
            unlink(place)
            elements[Int(place)]?.value = value
        } else {
            evicted = makeRoom()
            place = takePlace(Element(key: key, value: value))
            index[key] = place
        }
        if let rank { link(place, rank: Int32(rank)) }
        return evicted
    }

    /// Changes a value that is there already, without counting as a use: it keeps its place.
    mutating func replace(_ value: Value, for key: Key) {
        guard let place = index[key] else { return }
        elements[Int(place)]?.value = value
    }

    /// The same; it keeps its place if its rank is still the same.
    mutating func replace(_ value: Value, for key: Key, rank: Rank) {
        guard let place = index[key] else { return }
        elements[Int(place)]?.value = value
        guard links[Int(place)].rank != Int32(rank) else { return }
        unlink(place)
        link(place, rank: Int32(rank))
    }

    /// From now on the element cannot be spared, without losing its place in the queue. For few at a time.
    mutating func hold(_ key: Key) {
        if let place = index[key] { held.insert(place) }
    }

    mutating func letGo(_ key: Key) {
        if let place = index[key] { held.remove(place) }
    }

    /// The keys, in no order.
    var keys: some Sequence<Key> { index.keys }

    /// All places, taken or free, for looking at some at a time. An element keeps its place as long as it is here.
    var places: Range<Int> { 0..<elements.count }

    /// Looks at the elements in some of the places, without counting as a use.
    func visit(_ slice: Range<Int>, _ body: (_ place: Int, Key, Value) -> Void) {
        for place in slice.clamped(to: places) {
            if let element = elements[place] { body(place, element.key, element.value) }
        }
    }

    mutating func remove(_ key: Key) {
        guard let place = index.removeValue(forKey: key) else { return }
        unlink(place)
        held.remove(place)
        elements[Int(place)] = nil
        free.append(place)
    }

    private mutating func takePlace(_ element: Element) -> Int32 {
        if let place = free.popLast() {
            elements[Int(place)] = element
            return place
        }
        elements.append(element)
        links.append(Link())
        return Int32(elements.count - 1)
    }

    private mutating func makeRoom() -> [Evicted] {
        var evicted: [Evicted] = []
        while count >= capacity, let place = queues.lazy.map(spare).first(where: { $0 != none }),
            let victim = elements[Int(place)]
        {
            evicted.append((victim.key, victim.value))
            remove(victim.key)
        }
        return evicted
    }

    /// The place of the queue's least recently used element that is not held.
    private func spare(in queue: Queue) -> Int32 {
        var place = queue.oldest
        while place != none, held.contains(place) { place = links[Int(place)].newer }
        return place
    }

    private mutating func link(_ place: Int32, rank: Int32) {
        let newest = queues[Int(rank)].newest
        links[Int(place)] = Link(rank: rank, older: newest)
        if newest == none { queues[Int(rank)].oldest = place } else { links[Int(newest)].newer = place }
        queues[Int(rank)].newest = place
    }

    private mutating func unlink(_ place: Int32) {
        let link = links[Int(place)]
        guard link.rank != none else { return }
        let rank = Int(link.rank)
        if link.older == none { queues[rank].oldest = link.newer } else { links[Int(link.older)].newer = link.newer }
        if link.newer == none { queues[rank].newest = link.older } else { links[Int(link.newer)].older = link.older }
        links[Int(place)] = Link()
    }
}

/// No place, no queue.
private let none: Int32 = -1

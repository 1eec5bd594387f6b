import TextFormats

/// A dictionary of bounded size. When it is full, it evicts the least recently used element of the lowest priority.
///
/// Elements are in an array of slots. Each slot is linked into the queue of its priority, least recently used first. An
/// element that cannot be evicted is in no queue. Every operation is O(1).
package struct LRUCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// Elements of priority 0 are evicted before those of 1, and so on.
    package typealias Priority = Int

    /// An evicted element.
    package typealias Evicted = (key: Key, value: Value)

    private struct Element: Sendable {
        let key: Key
        var value: Value

        mutating func read<Result>(_ body: (inout Value) -> Result) -> Result { body(&value) }
    }

    /// A slot's neighbours in its queue.
    private struct Link: Sendable {
        /// `none`: in no queue.
        var priority: Int32 = none
        var older: Int32 = none
        var newer: Int32 = none
    }

    private struct Queue: Sendable {
        var oldest: Int32 = none
        var newest: Int32 = none
    }

    /// Names a value as it is now. A change of the value, except by `use`, makes the handle outdated.
    package struct Handle: Equatable, Sendable {
        fileprivate let slot: Int32
        fileprivate let revision: UInt32
    }

    private var index: [Key: Int32] = [:]
    /// `nil` in the slots in `free`.
    private var elements: [Element?] = []
    private var links: [Link] = []
    /// How often the value of each slot was changed.
    private var revisions: [UInt32] = []
    private var free: [Int32] = []
    private var queues: [Queue]
    /// Slots that are not evicted, whatever their priority.
    private var retained: Set<Int32> = []
    private let capacity: Int

    /// - Parameters:
    ///   - capacity: elements, at least 1.
    ///   - priorities: how many priorities there are.
    package init(capacity: Int, priorities: Int) {
        self.capacity = max(1, capacity)
        queues = Array(repeating: Queue(), count: priorities)
    }

    var count: Int { index.count }
    var isFull: Bool { count >= capacity }

    /// Whether an element of a lower priority can be evicted.
    func canEvict(below priority: Priority) -> Bool {
        queues[..<priority].contains { evictable(in: $0) != none }
    }

    /// The value, without counting as a use.
    package func peek(_ key: Key) -> Value? {
        index[key].flatMap { elements[Int($0)]?.value }
    }

    /// The value. The element becomes the most recently used one of its priority.
    mutating func use(_ key: Key) -> Value? {
        use(key) { $0 }
    }

    func handle(of key: Key) -> Handle? {
        index[key].map { Handle(slot: $0, revision: revisions[Int($0)]) }
    }

    /// As `use` with the key of the value. `nil`: the handle is outdated.
    mutating func use<Result>(_ handle: Handle, _ body: (inout Value) -> Result) -> Result? {
        guard revisions[Int(handle.slot)] == handle.revision else { return nil }
        return use(slot: handle.slot, body)
    }

    /// Calls `body` with the value in its slot, without copying it. The element becomes the most recently used one of its
    /// priority. `body` may change only what no handle depends on.
    mutating func use<Result>(_ key: Key, _ body: (inout Value) -> Result) -> Result? {
        index[key].flatMap { use(slot: $0, body) }
    }

    private mutating func use<Result>(slot: Int32, _ body: (inout Value) -> Result) -> Result? {
        let priority = links[Int(slot)].priority
        if priority != none, queues[Int(priority)].newest != slot {
            unlink(slot)
            link(slot, priority: priority)
        }
        return elements.withUnsafeMutableBufferPointer { $0[Int(slot)]?.read(body) }
    }

    /// Stores the value as the most recently used one of its priority.
    ///
    /// - Parameter priority: `nil` for an element that cannot be evicted now. It is stored even if the cache is full and no
    ///   element can be evicted.
    /// - Returns: the elements that were evicted for it.
    package mutating func store(_ value: Value, for key: Key, priority: Priority?) -> [Evicted] {
        var evicted: [Evicted] = []
        let slot: Int32
        if let known = index[key] {
            slot = known
            unlink(slot)
            set(value, at: slot)
        } else {
            evicted = makeSpace()
            slot = takeSlot(Element(key: key, value: value))
            index[key] = slot
        }
        if let priority { link(slot, priority: Int32(priority)) }
        return evicted
    }

    /// Replaces the value of a known key. This does not count as a use.
    mutating func replace(_ value: Value, for key: Key) {
        guard let slot = index[key] else { return }
        set(value, at: slot)
    }

    private mutating func set(_ value: Value, at slot: Int32) {
        elements[Int(slot)]?.value = value
        revisions[Int(slot)] &+= 1
    }

    /// Replaces the value of a known key. If its priority changes, it becomes the most recently used one of the new priority.
    mutating func replace(_ value: Value, for key: Key, priority: Priority) {
        guard let slot = index[key] else { return }
        set(value, at: slot)
        guard links[Int(slot)].priority != Int32(priority) else { return }
        unlink(slot)
        link(slot, priority: Int32(priority))
    }

    /// The element is not evicted until `release`. It keeps its position in the queue. For few elements at a time.
    mutating func retain(_ key: Key) {
        if let slot = index[key] { retained.insert(slot) }
    }

    mutating func release(_ key: Key) {
        if let slot = index[key] { retained.remove(slot) }
    }

    /// The keys, in no order.
    var keys: some Sequence<Key> { index.keys }

    /// All slots, taken or free, to be visited some at a time. An element stays in its slot until it is removed.
    var slots: Range<Int> { 0..<elements.count }

    /// Visits the elements in a range of slots. This does not count as a use.
    func visit(_ range: Range<Int>, _ body: (_ slot: Int, Key, Value) -> Void) {
        for slot in range.clamped(to: slots) {
            if let element = elements[slot] { body(slot, element.key, element.value) }
        }
    }

    mutating func remove(_ key: Key) {
        guard let slot = index.removeValue(forKey: key) else { return }
        unlink(slot)
        retained.remove(slot)
        elements[Int(slot)] = nil
        revisions[Int(slot)] &+= 1
        free.append(slot)
    }

    private mutating func takeSlot(_ element: Element) -> Int32 {
        if let slot = free.popLast() {
            elements[Int(slot)] = element
            return slot
        }
        elements.append(element)
        links.append(Link())
        revisions.append(0)
        return Int32(elements.count - 1)
    }

    private mutating func makeSpace() -> [Evicted] {
        var evicted: [Evicted] = []
        while count >= capacity, let slot = queues.lazy.map(evictable).first(where: { $0 != none }),
            let victim = elements[Int(slot)]
        {
            evicted.append((victim.key, victim.value))
            remove(victim.key)
        }
        return evicted
    }

    /// The slot of the queue's least recently used element that is not retained.
    private func evictable(in queue: Queue) -> Int32 {
        var slot = queue.oldest
        while slot != none, retained.contains(slot) { slot = links[Int(slot)].newer }
        return slot
    }

    private mutating func link(_ slot: Int32, priority: Int32) {
        let newest = queues[Int(priority)].newest
        links[Int(slot)] = Link(priority: priority, older: newest)
        if newest == none { queues[Int(priority)].oldest = slot } else { links[Int(newest)].newer = slot }
        queues[Int(priority)].newest = slot
    }

    private mutating func unlink(_ slot: Int32) {
        let link = links[Int(slot)]
        guard link.priority != none else { return }
        let priority = Int(link.priority)
        if link.older == none {
            queues[priority].oldest = link.newer
        } else {
            links[Int(link.older)].newer = link.newer
        }
        if link.newer == none {
            queues[priority].newest = link.older
        } else {
            links[Int(link.newer)].older = link.older
        }
        links[Int(slot)] = Link()
    }
}

/// A cache hit that can be repeated without a new decision, as long as nothing changes that its decision depends on.
package struct RepeatableHit<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    let handle: LRUCache<Key, Value>.Handle
    /// From the hit until the answer may change with time. A clock that is set back before it ends the validity, too.
    let validity: Range<WallTime>

    /// `nil`: the validity is empty.
    init?(_ handle: LRUCache<Key, Value>.Handle, from start: WallTime, until end: WallTime) {
        guard start < end else { return nil }
        self.handle = handle
        validity = start..<end
    }
}

/// No slot, no queue.
private let none: Int32 = -1

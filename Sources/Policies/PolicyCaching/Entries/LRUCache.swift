import TextFormats

/// A dictionary of bounded size. When it is full, it evicts the least recently used element of the lowest priority.
///
/// Elements are in slots. Each slot is linked into the queue of its priority, least recently used first. An element that
/// cannot be evicted is in no queue. Every operation is O(1).
package struct LRUCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    /// Elements of priority 0 are evicted before those of 1, and so on.
    package typealias Priority = Int

    /// An evicted element, and the slot that it was in.
    package typealias Evicted = (key: Key, value: Value, slot: Int32)

    private struct Element: Sendable {
        let key: Key
        var value: Value

        mutating func read<Result>(_ body: (inout Value) -> Result) -> Result { body(&value) }
    }

    private struct Slot: Sendable {
        /// `nil` in the slots in `free`.
        var element: Element?
        /// `none`: in no queue.
        var priority = Int8(none)
        var hash: SlotIndex.Hash
        /// How often the value was changed.
        var revision: UInt32 = 0
        /// The neighbours in the queue.
        var older = none
        var newer = none
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

    private var index = SlotIndex()
    private var elements = BlockArray<Slot>()
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

    private static func hash(_ key: Key) -> SlotIndex.Hash { SlotIndex.Hash(truncatingIfNeeded: key.hashValue) }

    /// The slot of a key. It stays the same until the element is removed.
    func slot(of key: Key) -> Int32? {
        let hash = Self.hash(key)
        return index.slot(hash) { slot in
            elements.read(slot) { $0.hash == hash && $0.element?.key == key }
        }
    }

    /// The key in a slot; `nil`: the slot is free.
    func key(at slot: Int32) -> Key? {
        elements.read(slot) { $0.element?.key }
    }

    /// The value, without counting as a use.
    package func peek(_ key: Key) -> Value? {
        slot(of: key).flatMap { slot in elements.read(slot) { $0.element?.value } }
    }

    /// The value. The element becomes the most recently used one of its priority.
    mutating func use(_ key: Key) -> Value? {
        use(key) { $0 }
    }

    func handle(of key: Key) -> Handle? {
        slot(of: key).map { slot in Handle(slot: slot, revision: elements.read(slot) { $0.revision }) }
    }

    /// As `use` with the key of the value. `nil`: the handle is outdated.
    mutating func use<Result>(_ handle: Handle, _ body: (inout Value) -> Result) -> Result? {
        guard elements.read(handle.slot, { $0.revision }) == handle.revision else { return nil }
        return use(slot: handle.slot, body)
    }

    /// Calls `body` with the value in its slot, without copying it. The element becomes the most recently used one of its
    /// priority. `body` may change only what no handle depends on.
    mutating func use<Result>(_ key: Key, _ body: (inout Value) -> Result) -> Result? {
        slot(of: key).flatMap { use(slot: $0, body) }
    }

    private mutating func use<Result>(slot: Int32, _ body: (inout Value) -> Result) -> Result? {
        let priority = elements.read(slot) { $0.priority }
        if priority != none, queues[Int(priority)].newest != slot {
            unlink(slot)
            link(slot, priority: priority)
        }
        return elements.update(slot) { $0.element?.read(body) }
    }

    /// Stores the value as the most recently used one of its priority.
    ///
    /// - Parameter priority: `nil` for an element that cannot be evicted now. It is stored even if the cache is full and no
    ///   element can be evicted.
    /// - Returns: the elements that were evicted for it.
    package mutating func store(_ value: Value, for key: Key, priority: Priority?) -> [Evicted] {
        if let slot = slot(of: key) {
            unlink(slot)
            set(value, at: slot)
            if let priority { link(slot, priority: Int8(priority)) }
            return []
        }
        let evicted = makeSpace()
        let slot = takeSlot(for: key, value: value)
        index.insert(slot) { [elements] slot in elements.read(slot) { $0.hash } }
        if let priority { link(slot, priority: Int8(priority)) }
        return evicted
    }

    /// Replaces the value of a known key. This does not count as a use.
    mutating func replace(_ value: Value, for key: Key) {
        guard let slot = slot(of: key) else { return }
        set(value, at: slot)
    }

    private mutating func set(_ value: Value, at slot: Int32) {
        elements.update(slot) { slot in
            slot.element?.value = value
            slot.revision &+= 1
        }
    }

    /// Replaces the value of a known key. If its priority changes, it becomes the most recently used one of the new priority.
    mutating func replace(_ value: Value, for key: Key, priority: Priority) {
        guard let slot = slot(of: key) else { return }
        set(value, at: slot)
        guard elements.read(slot, { $0.priority }) != Int8(priority) else { return }
        unlink(slot)
        link(slot, priority: Int8(priority))
    }

    /// The element is not evicted until `release`. It keeps its position in the queue. For few elements at a time.
    mutating func retain(_ key: Key) {
        if let slot = slot(of: key) { retained.insert(slot) }
    }

    mutating func release(_ key: Key) {
        if let slot = slot(of: key) { retained.remove(slot) }
    }

    /// The keys, in the order of their slots.
    var keys: [Key] { slots.compactMap { key(at: Int32($0)) } }

    /// All slots, taken or free, to be visited some at a time. An element stays in its slot until it is removed.
    var slots: Range<Int> { 0..<elements.count }

    /// Visits the elements in a range of slots. This does not count as a use.
    func visit(_ range: Range<Int>, _ body: (_ slot: Int, Key, Value) -> Void) {
        for slot in range.clamped(to: slots) {
            if let element = elements[Int32(slot)].element { body(slot, element.key, element.value) }
        }
    }

    mutating func remove(_ key: Key) {
        guard let slot = slot(of: key) else { return }
        remove(at: slot)
    }

    private mutating func remove(at slot: Int32) {
        index.remove(slot) { [elements] slot in elements.read(slot) { $0.hash } }
        unlink(slot)
        retained.remove(slot)
        elements.update(slot) { slot in
            slot.element = nil
            slot.revision &+= 1
        }
        free.append(slot)
    }

    private mutating func takeSlot(for key: Key, value: Value) -> Int32 {
        let element = Element(key: key, value: value)
        let hash = Self.hash(key)
        if let slot = free.popLast() {
            elements.update(slot) { ($0.element, $0.hash) = (element, hash) }
            return slot
        }
        elements.append(Slot(element: element, hash: hash))
        return Int32(elements.count - 1)
    }

    private mutating func makeSpace() -> [Evicted] {
        var evicted: [Evicted] = []
        while count >= capacity, let slot = queues.lazy.map(evictable).first(where: { $0 != none }),
            let victim = elements[slot].element
        {
            evicted.append((victim.key, victim.value, slot))
            remove(at: slot)
        }
        return evicted
    }

    /// The slot of the queue's least recently used element that is not retained.
    private func evictable(in queue: Queue) -> Int32 {
        var slot = queue.oldest
        while slot != none, retained.contains(slot) { slot = elements.read(slot) { $0.newer } }
        return slot
    }

    private mutating func link(_ slot: Int32, priority: Int8) {
        let newest = queues[Int(priority)].newest
        elements.update(slot) { ($0.priority, $0.older, $0.newer) = (priority, newest, none) }
        if newest == none {
            queues[Int(priority)].oldest = slot
        } else {
            elements.update(newest) { $0.newer = slot }
        }
        queues[Int(priority)].newest = slot
    }

    private mutating func unlink(_ slot: Int32) {
        let (priority, older, newer) = elements.read(slot) { ($0.priority, $0.older, $0.newer) }
        guard priority != none else { return }
        if older == none {
            queues[Int(priority)].oldest = newer
        } else {
            elements.update(older) { $0.newer = newer }
        }
        if newer == none {
            queues[Int(priority)].newest = older
        } else {
            elements.update(newer) { $0.older = older }
        }
        elements.update(slot) { ($0.priority, $0.older, $0.newer) = (Int8(none), none, none) }
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

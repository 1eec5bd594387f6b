/// Elements in the order of their insertion. Any of them can be removed.
///
/// A doubly linked list in an array, so that each operation costs the same, however many elements there are.
struct IdleList<Element> {
    /// The position of an element, until it is removed.
    struct Slot: Equatable {
        fileprivate let index: Int
    }

    private struct Node {
        /// `nil`: the node is free.
        var element: Element?
        var previous: Int?
        var next: Int?
    }

    private var nodes: [Node] = []
    private var free: [Int] = []
    private var head: Int?
    private var tail: Int?

    /// The element that was inserted first.
    var first: Element? { head.flatMap { nodes[$0].element } }

    mutating func append(_ element: Element) -> Slot {
        let node = Node(element: element, previous: tail, next: nil)
        let index: Int
        if let reused = free.popLast() {
            index = reused
            nodes[index] = node
        } else {
            index = nodes.count
            nodes.append(node)
        }
        if let tail { nodes[tail].next = index } else { head = index }
        tail = index
        return Slot(index: index)
    }

    /// - Parameter slot: of an element that is in the list.
    mutating func remove(at slot: Slot) {
        let node = nodes[slot.index]
        if let previous = node.previous { nodes[previous].next = node.next } else { head = node.next }
        if let next = node.next { nodes[next].previous = node.previous } else { tail = node.previous }
        nodes[slot.index] = Node()
        free.append(slot.index)
    }
}

/// Elements in the order of their insertion; any of them can be removed.
///
/// A pure value: a doubly linked list in an array, so that each operation costs the same, however many elements there are.
struct IdleList<Element> {
    /// Where an element is, until it is removed.
    struct Place: Equatable {
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

    mutating func append(_ element: Element) -> Place {
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
        return Place(index: index)
    }

    /// - Parameter place: of an element that is in the list.
    mutating func remove(at place: Place) {
        let node = nodes[place.index]
        if let previous = node.previous { nodes[previous].next = node.next } else { head = node.next }
        if let next = node.next { nodes[next].previous = node.previous } else { tail = node.previous }
        nodes[place.index] = Node()
        free.append(place.index)
    }
}

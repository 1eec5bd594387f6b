/// Elements with a time, the earliest first; equal times in order of insertion. A binary heap.
struct DelayQueue<Element> {
    private struct Entry {
        let time: ContinuousClock.Instant
        let order: UInt64
        let element: Element

        func isBefore(_ other: Entry) -> Bool {
            time == other.time ? order < other.order : time < other.time
        }
    }

    private var heap: [Entry] = []
    private var nextOrder: UInt64 = 0

    /// The earliest time.
    var next: ContinuousClock.Instant? { heap.first?.time }

    mutating func insert(_ element: Element, at time: ContinuousClock.Instant) {
        heap.append(Entry(time: time, order: nextOrder, element: element))
        nextOrder += 1
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].isBefore(heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// Removes the earliest element if its time is `now` or before.
    mutating func removeDue(at now: ContinuousClock.Instant) -> Element? {
        guard let first = heap.first, first.time <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].isBefore(heap[least]) { least = child }
            }
            guard least != parent else { return first.element }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}

import HeapModule

/// The fetches that wait for one key, or for a slot.
///
/// The class of the next fetch follows from the weights. Within a class the lowest round goes first. Within a round the newest
/// fetch and the oldest one take turns. The newest goes first because a flood came before it, and its caller still waits. The
/// oldest goes first so that no fetch waits forever while others arrive.
///
/// Each operation takes O(log n).
struct FetchQueue {
    private struct Entry: Comparable {
        let round: Int
        /// The lowest goes first within a round.
        let order: UInt64
        let id: FetchID

        static func < (left: Entry, right: Entry) -> Bool { (left.round, left.order) < (right.round, right.order) }
    }

    /// The queue of one class. Each heap contains all waiting fetches, and removed ones until they reach the front or become
    /// too many.
    private struct ClassQueue {
        /// Newest first, and oldest first.
        var heaps = [Heap<Entry>(), Heap<Entry>()]
        /// The heap of the next fetch.
        var turn = 0
        var rounds: [FetchID: Int] = [:]
        var credit = 0

        mutating func add(_ id: FetchID, round: Int) {
            rounds[id] = round
            heaps[0].insert(Entry(round: round, order: .max - id.number, id: id))
            heaps[1].insert(Entry(round: round, order: id.number, id: id))
        }

        mutating func take() -> (id: FetchID, round: Int)? {
            while let entry = heaps[turn].popMin() {
                guard rounds[entry.id] == entry.round else { continue }
                turn = 1 - turn
                remove(entry.id)
                return (entry.id, entry.round)
            }
            return nil
        }

        mutating func remove(_ id: FetchID) {
            guard rounds.removeValue(forKey: id) != nil else { return }
            for index in heaps.indices where heaps[index].count > 2 * rounds.count + 32 {
                heaps[index] = Heap(heaps[index].unordered.filter { rounds[$0.id] == $0.round })
            }
        }
    }

    private var queues = [ClassQueue](repeating: ClassQueue(), count: FetchClass.allCases.count)

    var isEmpty: Bool { queues.allSatisfy(\.rounds.isEmpty) }

    func isWaiting(_ fetchClass: FetchClass) -> Bool { !queues[fetchClass.rawValue].rounds.isEmpty }

    mutating func add(_ id: FetchID, fetchClass: FetchClass, round: Int = 0) {
        queues[fetchClass.rawValue].add(id, round: round)
    }

    mutating func remove(_ id: FetchID, fetchClass: FetchClass) { queues[fetchClass.rawValue].remove(id) }

    /// Takes the next fetch by smooth weighted round robin over the classes with waiting fetches.
    mutating func next(of classes: [FetchClass] = FetchClass.allCases) -> (id: FetchID, round: Int)? {
        let waiting = classes.filter { isWaiting($0) }
        guard let first = waiting.first else { return nil }
        var chosen = first
        for fetchClass in waiting {
            queues[fetchClass.rawValue].credit += fetchClass.weight
            if queues[fetchClass.rawValue].credit > queues[chosen.rawValue].credit { chosen = fetchClass }
        }
        queues[chosen.rawValue].credit -= waiting.reduce(0) { $0 + $1.weight }
        return queues[chosen.rawValue].take()
    }
}

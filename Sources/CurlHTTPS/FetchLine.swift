import HeapModule

/// Fetches that wait for one thing: a key, or a slot.
///
/// The next one is of the class whose turn it is by weight. Within a class the lowest round goes first. Within a round the
/// newest fetch and the oldest one take turns: the newest, since a flood came before it, and its caller still waits for the
/// result; the oldest, so that no fetch waits for ever while new ones keep coming.
/// Cost: O(log n) for each fetch, whatever else waits.
struct FetchLine {
    private struct Place: Comparable {
        let round: Int
        /// Within the round the lowest goes first.
        let order: UInt64
        let id: FetchID

        static func < (left: Place, right: Place) -> Bool { (left.round, left.order) < (right.round, right.order) }
    }

    /// One class. Each heap holds all that wait, and those that were taken or removed until they come to the front or are
    /// too many.
    private struct Queue {
        /// The newest first, and the oldest first.
        var heaps = [Heap<Place>(), Heap<Place>()]
        /// The heap that the next fetch comes from.
        var turn = 0
        var rounds: [FetchID: Int] = [:]
        var credit = 0

        mutating func add(_ id: FetchID, round: Int) {
            rounds[id] = round
            heaps[0].insert(Place(round: round, order: .max - id.number, id: id))
            heaps[1].insert(Place(round: round, order: id.number, id: id))
        }

        mutating func take() -> (id: FetchID, round: Int)? {
            while let place = heaps[turn].popMin() {
                guard rounds[place.id] == place.round else { continue }
                turn = 1 - turn
                remove(place.id)
                return (place.id, place.round)
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

    private var queues = [Queue](repeating: Queue(), count: FetchClass.allCases.count)

    var isEmpty: Bool { queues.allSatisfy(\.rounds.isEmpty) }

    func isWaiting(_ kind: FetchClass) -> Bool { !queues[kind.rawValue].rounds.isEmpty }

    mutating func add(_ id: FetchID, _ kind: FetchClass, round: Int = 0) { queues[kind.rawValue].add(id, round: round) }

    mutating func remove(_ id: FetchID, _ kind: FetchClass) { queues[kind.rawValue].remove(id) }

    /// Smooth weighted round robin over the classes in which somebody waits.
    mutating func next(of classes: [FetchClass] = FetchClass.allCases) -> (id: FetchID, round: Int)? {
        let waiting = classes.filter { isWaiting($0) }
        guard let first = waiting.first else { return nil }
        var chosen = first
        for kind in waiting {
            queues[kind.rawValue].credit += kind.weight
            if queues[kind.rawValue].credit > queues[chosen.rawValue].credit { chosen = kind }
        }
        queues[chosen.rawValue].credit -= waiting.reduce(0) { $0 + $1.weight }
        return queues[chosen.rawValue].take()
    }
}

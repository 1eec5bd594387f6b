import HeapModule

/// Fetches that wait for one thing: a key, or a slot.
///
/// The next one is of the class whose turn it is by weight. Within a class the lowest round goes first, and within a round
/// the newest fetch: under a flood the newest caller still waits for the result, and whoever flooded came before it.
/// Cost: O(log n) for each fetch, whatever else waits.
struct FetchLine {
    private struct Place: Comparable {
        let round: Int
        let id: FetchID

        static func < (left: Place, right: Place) -> Bool {
            left.round != right.round ? left.round < right.round : left.id.number > right.id.number
        }
    }

    /// One class: a heap that holds the removed ones until they come to the front or are too many.
    private struct Queue {
        var places = Heap<Place>()
        var rounds: [FetchID: Int] = [:]
        var credit = 0
    }

    private var queues = [Queue](repeating: Queue(), count: FetchClass.allCases.count)

    var isEmpty: Bool { queues.allSatisfy(\.rounds.isEmpty) }

    func isWaiting(_ kind: FetchClass) -> Bool { !queues[kind.rawValue].rounds.isEmpty }

    mutating func add(_ id: FetchID, _ kind: FetchClass, round: Int = 0) {
        queues[kind.rawValue].rounds[id] = round
        queues[kind.rawValue].places.insert(Place(round: round, id: id))
    }

    mutating func remove(_ id: FetchID, _ kind: FetchClass) {
        guard queues[kind.rawValue].rounds.removeValue(forKey: id) != nil else { return }
        let rounds = queues[kind.rawValue].rounds
        if queues[kind.rawValue].places.count > 2 * rounds.count + 32 {
            queues[kind.rawValue].places = Heap(
                queues[kind.rawValue].places.unordered.filter { rounds[$0.id] == $0.round })
        }
    }

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
        return take(chosen)
    }

    private mutating func take(_ kind: FetchClass) -> (id: FetchID, round: Int)? {
        while let place = queues[kind.rawValue].places.popMin() {
            guard queues[kind.rawValue].rounds[place.id] == place.round else { continue }
            queues[kind.rawValue].rounds[place.id] = nil
            return (place.id, place.round)
        }
        return nil
    }
}

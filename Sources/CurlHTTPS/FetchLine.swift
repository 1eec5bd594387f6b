import HeapModule

/// Fetches that wait for one thing: a key, or a slot.
///
/// The next one is of the class whose turn it is by weight. Within a class the lowest round goes first. Within a round the
/// newest fetch and the oldest one take turns: the newest, since whoever floods the line came before it, and its caller
/// still waits for the result; the oldest, so that nobody waits for ever while new fetches keep coming.
/// Cost: O(log n) for each fetch, whatever else waits.
struct FetchLine {
    private struct Place: Comparable {
        let round: Int
        /// Within the round the lowest goes first.
        let order: UInt64
        let id: FetchID

        static func < (left: Place, right: Place) -> Bool { (left.round, left.order) < (right.round, right.order) }
    }

    /// One class, in both orders. The heaps hold what was taken or removed until it comes to the front or is too much.
    private struct Queue {
        var newest = Heap<Place>()
        var oldest = Heap<Place>()
        var rounds: [FetchID: Int] = [:]
        var isOldestNext = false
        var credit = 0

        mutating func add(_ id: FetchID, round: Int) {
            rounds[id] = round
            newest.insert(Place(round: round, order: .max - id.number, id: id))
            oldest.insert(Place(round: round, order: id.number, id: id))
        }

        mutating func take() -> (id: FetchID, round: Int)? {
            guard let place = isOldestNext ? firstOldest() : firstNewest() else { return nil }
            isOldestNext.toggle()
            rounds[place.id] = nil
            clean()
            return (place.id, place.round)
        }

        private mutating func firstNewest() -> Place? {
            while let place = newest.popMin() { if rounds[place.id] == place.round { return place } }
            return nil
        }

        private mutating func firstOldest() -> Place? {
            while let place = oldest.popMin() { if rounds[place.id] == place.round { return place } }
            return nil
        }

        mutating func clean() {
            let limit = 2 * rounds.count + 32
            if newest.count > limit { newest = Heap(newest.unordered.filter { rounds[$0.id] == $0.round }) }
            if oldest.count > limit { oldest = Heap(oldest.unordered.filter { rounds[$0.id] == $0.round }) }
        }
    }

    private var queues = [Queue](repeating: Queue(), count: FetchClass.allCases.count)

    var isEmpty: Bool { queues.allSatisfy(\.rounds.isEmpty) }

    func isWaiting(_ kind: FetchClass) -> Bool { !queues[kind.rawValue].rounds.isEmpty }

    mutating func add(_ id: FetchID, _ kind: FetchClass, round: Int = 0) { queues[kind.rawValue].add(id, round: round) }

    mutating func remove(_ id: FetchID, _ kind: FetchClass) {
        guard queues[kind.rawValue].rounds.removeValue(forKey: id) != nil else { return }
        queues[kind.rawValue].clean()
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
        return queues[chosen.rawValue].take()
    }
}

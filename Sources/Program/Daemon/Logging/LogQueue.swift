import DequeModule

/// The log lines that wait for the writer, in order. Lines that do not fit are dropped and counted.
///
/// Concurrency: a value. The count of dropped lines takes their place in the order: before the next line that fits.
struct LogQueue {
    enum Item: Equatable {
        /// The octets of the line, with its line feed.
        case line([UInt8])
        /// The number of lines that were dropped at this place.
        case dropped(Int)
    }

    /// The maximum octets of all waiting lines. A burst of a second at level `debug` fits. A reader that is further behind
    /// is too slow or has stopped.
    static let defaultLimit = 4 << 20

    private let maximumOctets: Int
    private var items: Deque<Item> = []
    private var octets = 0
    /// The number of lines dropped after the last item.
    private var dropped = 0

    init(maximumOctets: Int = defaultLimit) {
        self.maximumOctets = maximumOctets
    }

    /// Whether nothing waits.
    var isEmpty: Bool { items.isEmpty && dropped == 0 }

    /// Whether an item waits, besides the count of the lines that were dropped last.
    var hasLines: Bool { !items.isEmpty }

    /// - Returns: whether the line fits. If not, it is dropped.
    mutating func append(_ line: [UInt8]) -> Bool {
        guard octets + line.count <= maximumOctets else {
            dropped += 1
            return false
        }
        if dropped > 0 {
            items.append(.dropped(dropped))
            dropped = 0
        }
        items.append(.line(line))
        octets += line.count
        return true
    }

    /// Counts lines as dropped that `next` returned but the writer could not write.
    mutating func noteLost(_ count: Int) {
        dropped += count
    }

    /// Removes and returns the next item; `nil`: nothing waits.
    mutating func next() -> Item? {
        guard let item = items.popFirst() else {
            defer { dropped = 0 }
            return dropped > 0 ? .dropped(dropped) : nil
        }
        if case .line(let line) = item { octets -= line.count }
        return item
    }
}

import DequeModule

/// Log lines that wait to be written, in their order; what does not fit is counted instead.
///
/// A pure value. The count of dropped lines stands where they would have stood: before the next line that fits.
struct LogQueue {
    enum Item: Equatable {
        /// Octets with the final line feed.
        case line([UInt8])
        /// So many lines were dropped here.
        case dropped(Int)
    }

    /// Octets of the lines that wait, at most. A burst of a second at level `debug` fits; a reader that is behind by more is
    /// too slow or has stopped.
    static let usualLimit = 4 << 20

    private let maximumOctets: Int
    private var items: Deque<Item> = []
    private var octets = 0
    /// Lines dropped since the last item.
    private var dropped = 0

    init(maximumOctets: Int = usualLimit) {
        self.maximumOctets = maximumOctets
    }

    /// Whether there is nothing to write.
    var isEmpty: Bool { items.isEmpty && dropped == 0 }

    /// Whether there is more to write than the number of lines that were dropped last.
    var hasLines: Bool { !items.isEmpty }

    /// - Returns: whether the line fits; if not it is dropped.
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

    /// So many lines that were taken, or the report of so many, could not be written.
    mutating func noteLost(_ count: Int) {
        dropped += count
    }

    /// Takes what is to be written next; `nil` when there is nothing.
    mutating func next() -> Item? {
        guard let item = items.popFirst() else {
            defer { dropped = 0 }
            return dropped > 0 ? .dropped(dropped) : nil
        }
        if case .line(let line) = item { octets -= line.count }
        return item
    }
}

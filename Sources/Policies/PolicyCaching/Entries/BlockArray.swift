/// An array that grows by blocks. It never copies its elements to grow, nor holds memory for twice as many.
///
/// Only the first block grows like an array, so that few elements need little memory.
struct BlockArray<Element: Sendable>: Sendable {
    private var blocks: [[Element]] = []
    private(set) var count = 0

    private static var shift: Int { 10 }
    private static var blockSize: Int { 1 << shift }

    mutating func append(_ element: Element) {
        if count % Self.blockSize == 0 {
            var block: [Element] = []
            if count > 0 { block.reserveCapacity(Self.blockSize) }
            blocks.append(block)
        }
        blocks[count >> Self.shift].append(element)
        count += 1
    }

    subscript(index: Int32) -> Element {
        get { blocks[Int(index) >> Self.shift][Int(index) & (Self.blockSize - 1)] }
        set { update(index) { $0 = newValue } }
    }

    /// Changes an element in its place.
    mutating func update<Result>(_ index: Int32, _ body: (inout Element) -> Result) -> Result {
        body(&blocks[Int(index) >> Self.shift][Int(index) & (Self.blockSize - 1)])
    }

    /// Reads a part of an element without copying the rest.
    func read<Result>(_ index: Int32, _ body: (borrowing Element) -> Result) -> Result {
        body(blocks[Int(index) >> Self.shift][Int(index) & (Self.blockSize - 1)])
    }
}

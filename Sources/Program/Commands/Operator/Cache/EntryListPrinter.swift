import AdminAPI
import TextFormats

/// Prints a list while it arrives: the first lines decide the widths of the columns.
struct EntryListPrinter {
    private let now: WallTime
    private let json: Bool
    private let terminal = Terminal.standardOutput
    private var table: TextTable
    private var pending: [EntrySummary] = []
    private var hasHead = false
    private var count = 0

    var isEmpty: Bool { count == 0 }

    /// Lines that decide the widths, and lines between two checks whether standard output can be written.
    private static let sampleSize = 500

    init(now: WallTime, json: Bool) {
        self.now = now
        self.json = json
        table = TextTable(EntryFormatter.columns, for: terminal)
    }

    /// - Throws: `CommandError` if standard output cannot be written.
    mutating func add(_ entry: EntrySummary) throws {
        count += 1
        if count.isMultiple(of: Self.sampleSize) { try StandardOutput.flush() }
        if json { return print(try APIEncoding.text(entry)) }
        pending.append(entry)
        if hasHead || pending.count >= Self.sampleSize { flush() }
    }

    mutating func finish() {
        if !json { flush() }
    }

    private mutating func flush() {
        let rows = pending.map { EntryFormatter.cells($0, now: now, for: terminal) }
        pending.removeAll()
        if !hasHead { print(table.titles(above: rows)) }
        hasHead = true
        for row in rows { print(table.line(row)) }
    }
}

/// Rows and columns of text, made to fit a terminal.
///
/// On a terminal the columns that matter least are left out where there is no room for all, and long values are cut, with
/// a mark. Elsewhere every value is whole, and columns are only lined up.
struct TextTable {
    struct Column: Sendable {
        let title: String
        /// What is left out first has the highest number; 0 stays.
        var rank = 0
        /// Values may be cut to this many columns; `nil`: never.
        var least: Int?
        var isNumber = false
    }

    private let columns: [Column]
    private let terminal: Terminal
    /// Which columns are shown and how wide: by the first rows, and then the same for the rest of a long list.
    private var layout: [(column: Int, width: Int)] = []

    private static let gap = "  "
    static let cutMark = "…"

    init(_ columns: [Column], for terminal: Terminal) {
        self.columns = columns
        self.terminal = terminal
    }

    /// The table in one: a line of titles, then the rows.
    static func render(_ columns: [Column], _ rows: [[StyledText]], for terminal: Terminal) -> String {
        var table = TextTable(columns, for: terminal)
        return ([table.head(above: rows)] + rows.map { table.line($0) }).joined(separator: "\n")
    }

    /// The line of titles. Settles the layout by `rows`, which should be those that come next.
    mutating func head(above rows: [[StyledText]]) -> String {
        settle(rows)
        return line(columns.map { StyledText($0.title, .strong) })
    }

    /// One row, a cell for each column.
    func line(_ cells: [StyledText]) -> String {
        var line = ""
        for (place, (column, width)) in layout.enumerated() {
            let cell = cells[column]
            let text = terminal.width == nil ? cell.text : Self.cut(cell.text, to: width)
            let padding = String(repeating: " ", count: max(0, width - text.count))
            let painted = terminal.paint(text, cell.style)
            let isLast = place == layout.count - 1
            line += columns[column].isNumber ? padding + painted : isLast ? painted : painted + padding
            if !isLast { line += Self.gap }
        }
        return line
    }

    private mutating func settle(_ rows: [[StyledText]]) {
        let natural = columns.indices.map { column in
            rows.reduce(columns[column].title.count) { max($0, $1[column].text.count) }
        }
        var shown = Array(columns.indices)
        guard let width = terminal.width else { return layout = shown.map { ($0, natural[$0]) } }
        func least(_ column: Int) -> Int {
            columns[column].least.map { min(natural[column], max($0, columns[column].title.count)) } ?? natural[column]
        }
        func total(_ widths: [Int]) -> Int { widths.reduce(0, +) + Self.gap.count * max(0, widths.count - 1) }
        while total(shown.map(least)) > width, let place = leastImportant(of: shown) { shown.remove(at: place) }
        // What is to spare goes to the columns from the left, up to what they need.
        var spare = max(0, width - total(shown.map(least)))
        layout = shown.map { column in
            let more = min(spare, natural[column] - least(column))
            spare -= more
            return (column, least(column) + more)
        }
    }

    private func leastImportant(of shown: [Int]) -> Int? {
        let place = shown.indices.max { columns[shown[$0]].rank < columns[shown[$1]].rank }
        guard let place, columns[shown[place]].rank > 0 else { return nil }
        return place
    }

    private static func cut(_ text: String, to width: Int) -> String {
        text.count <= width ? text : text.prefix(max(0, width - cutMark.count)) + cutMark
    }
}

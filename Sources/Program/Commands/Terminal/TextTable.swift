/// A table that fits the width of a terminal.
///
/// On a narrow terminal the least important columns are dropped, and long values are cut with a mark. In a pipe or a file
/// every value is complete.
struct TextTable {
    struct Column: Sendable {
        let title: String
        /// Columns with the highest number are dropped first; 0: never.
        var dropOrder = 0
        /// Values may be cut to this width; `nil`: never.
        var minimumWidth: Int?
        var isNumber = false
    }

    private let columns: [Column]
    private let terminal: Terminal
    /// The columns that are shown, and their widths. The first rows of a long list determine them.
    private var layout: [(column: Int, width: Int)] = []

    private static let gap = "  "
    static let truncationMark = "…"

    init(_ columns: [Column], for terminal: Terminal) {
        self.columns = columns
        self.terminal = terminal
    }

    /// Returns a complete table: a line of titles, then the rows.
    static func render(_ columns: [Column], rows: [[StyledText]], for terminal: Terminal) -> String {
        var table = TextTable(columns, for: terminal)
        return ([table.titles(above: rows)] + rows.map { table.line($0) }).joined(separator: "\n")
    }

    /// Returns the line of titles. `rows`, the first rows of the table, determine the layout.
    mutating func titles(above rows: [[StyledText]]) -> String {
        updateLayout(for: rows)
        return line(columns.map { StyledText($0.title, style: .strong) })
    }

    /// Returns one row. `cells` has a cell for each column.
    func line(_ cells: [StyledText]) -> String {
        var line = ""
        for (position, (column, width)) in layout.enumerated() {
            let cell = cells[column]
            let text = terminal.width == nil ? cell.text : Self.cut(cell.text, to: width)
            let padding = String(repeating: " ", count: max(0, width - text.count))
            let painted = terminal.paint(text, style: cell.style)
            let isLast = position == layout.count - 1
            line += columns[column].isNumber ? padding + painted : isLast ? painted : painted + padding
            if !isLast { line += Self.gap }
        }
        return line
    }

    private mutating func updateLayout(for rows: [[StyledText]]) {
        let fullWidths = columns.indices.map { column in
            rows.reduce(columns[column].title.count) { max($0, $1[column].text.count) }
        }
        var shown = Array(columns.indices)
        guard let width = terminal.width else { return layout = shown.map { ($0, fullWidths[$0]) } }
        func minimum(_ column: Int) -> Int {
            columns[column].minimumWidth.map { min(fullWidths[column], max($0, columns[column].title.count)) }
                ?? fullWidths[column]
        }
        func total(_ widths: [Int]) -> Int { widths.reduce(0, +) + Self.gap.count * max(0, widths.count - 1) }
        while total(shown.map(minimum)) > width, let index = leastImportant(of: shown) { shown.remove(at: index) }
        // The columns from the left get the rest of the width, up to their full widths.
        var spare = max(0, width - total(shown.map(minimum)))
        layout = shown.map { column in
            let extra = min(spare, fullWidths[column] - minimum(column))
            spare -= extra
            return (column, minimum(column) + extra)
        }
    }

    private func leastImportant(of shown: [Int]) -> Int? {
        let index = shown.indices.max { columns[shown[$0]].dropOrder < columns[shown[$1]].dropOrder }
        guard let index, columns[shown[index]].dropOrder > 0 else { return nil }
        return index
    }

    private static func cut(_ text: String, to width: Int) -> String {
        text.count <= width ? text : text.prefix(max(0, width - truncationMark.count)) + truncationMark
    }
}

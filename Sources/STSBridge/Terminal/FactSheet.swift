/// Facts under each other: a label, and what there is to say, wrapped where a terminal is too narrow.
struct FactSheet {
    private let terminal: Terminal
    private var lines: [String] = []
    private static let indent = 14

    init(for terminal: Terminal) {
        self.terminal = terminal
    }

    var text: String { lines.joined(separator: "\n") }

    /// A heading, with a line of space above all but the first.
    mutating func heading(_ title: String) {
        if !lines.isEmpty { lines.append("") }
        lines.append(terminal.paint(title, .strong))
    }

    mutating func fact(_ label: String, _ value: StyledText) {
        let pieces = value.text.wrapped(to: terminal.width.map { max(20, $0 - Self.indent) })
        for (number, piece) in pieces.enumerated() {
            let head = number == 0 ? label : ""
            let padding = String(repeating: " ", count: max(1, Self.indent - head.count))
            lines.append(terminal.paint(head, .faint) + padding + terminal.paint(piece, value.style))
        }
    }

    mutating func fact(_ label: String, _ value: String, _ style: Style = .plain) {
        fact(label, StyledText(value, style))
    }

    /// Several values of one label, a line each.
    mutating func facts(_ label: String, _ values: [String]) {
        for (number, value) in values.enumerated() { fact(number == 0 ? label : "", value) }
    }

    /// A line, or several, that is made already: a table.
    mutating func block(_ text: String) {
        lines.append(text)
    }
}

import BridgeConfiguration

/// A list of fields, each a label and a value, under optional headings. Values wrap on a narrow terminal.
struct FieldList {
    private let terminal: Terminal
    private var lines: [String] = []
    private static let indent = 14

    init(for terminal: Terminal) {
        self.terminal = terminal
    }

    var text: String { lines.joined(separator: "\n") }

    /// Adds a heading, with an empty line above all but the first.
    mutating func heading(_ title: String) {
        if !lines.isEmpty { lines.append("") }
        lines.append(terminal.paint(title, style: .strong))
    }

    mutating func add(_ label: String, value: StyledText) {
        let wrapped = value.text.wrapped(to: terminal.width.map { max(20, $0 - Self.indent) })
        for (number, line) in wrapped.enumerated() {
            let head = number == 0 ? label : ""
            let padding = String(repeating: " ", count: max(1, Self.indent - head.count))
            lines.append(terminal.paint(head, style: .faint) + padding + terminal.paint(line, style: value.style))
        }
    }

    mutating func add(_ label: String, value: String, style: Style = .plain) {
        add(label, value: StyledText(value, style: style))
    }

    /// Adds several values with one label, one on each line.
    mutating func add(_ label: String, values: [String]) {
        for (number, value) in values.enumerated() { add(number == 0 ? label : "", value: value) }
    }

    /// Adds formatted lines, such as a table.
    mutating func block(_ text: String) {
        lines.append(text)
    }
}

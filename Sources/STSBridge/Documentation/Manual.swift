/// A manual page in mdoc(7), line by line: text is escaped here and nowhere else.
struct Manual {
    private var lines: [String] = []

    /// - Parameter title: `STS-BRIDGE`.
    init(title: String, section: Int, name: String, summary: String) {
        lines += [
            ".Dd \(Version.date)", ".Dt \(title) \(section)", ".Os sts-bridge \(Version.current)",
            ".Sh NAME", ".Nm \(name)", ".Nd \(Self.escaped(summary))",
        ]
    }

    var text: String { lines.joined(separator: "\n") + "\n" }

    /// A line of mdoc(7) as it is.
    mutating func macro(_ line: String) { lines.append(line) }

    mutating func section(_ name: String) { lines.append(".Sh \(name)") }

    mutating func subsection(_ name: String) { lines.append(".Ss \(Self.escaped(name))") }

    /// Paragraphs, with an empty line between them; what is indented is set as it stands.
    mutating func paragraphs(_ text: String) {
        var before: Block?
        var margin = 0
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let block: Block = line.isEmpty ? .gap : line.hasPrefix(" ") ? .literal : .prose
            if block != before {
                turn(from: before, to: block)
                margin = line.prefix { $0 == " " }.count
            }
            switch block {
            case .gap: break
            case .literal: lines.append(Self.protected(Self.escaped(line.dropFirst(margin))))
            case .prose: lines += Self.sentences(line).map(Self.styled)
            }
            before = block
        }
        if before == .literal { lines.append(".Ed") }
    }

    private enum Block {
        case prose, literal, gap
    }

    private mutating func turn(from old: Block?, to new: Block) {
        if old == .literal { lines.append(".Ed") }
        switch (old, new) {
        case (nil, .prose), (_, .gap): break
        case (_, .prose): lines.append(".Pp")
        case (_, .literal): lines.append(".Bd -literal -offset indent")
        }
    }

    /// Each on a line of its own, by which the formatter knows where they end.
    private static func sentences(_ line: Substring) -> [String] {
        String(line).replacing(/([.:?][)]?) +(?=[A-Z(`])/) { "\($0.1)\n" }.split(separator: "\n").map(String.init)
    }

    /// A list of things and what they mean.
    ///
    /// - Parameter head: of an item, a call of macros.
    mutating func list<Item>(_ items: [Item], head: (Item) -> String, body: (Item, inout Manual) -> Void) {
        guard !items.isEmpty else { return }
        lines.append(".Bl -tag -width Ds")
        for item in items {
            lines.append(".It \(head(item))")
            body(item, &self)
        }
        lines.append(".El")
    }

    /// What stands in backticks becomes bold: it is typed so.
    private static func styled(_ text: some StringProtocol) -> String {
        let parts = text.split(separator: "`", omittingEmptySubsequences: false)
        return protected(
            parts.enumerated().map { index, part in
                index.isMultiple(of: 2) ? escaped(part) : "\\fB\(escaped(part))\\fP"
            }.joined())
    }

    /// For the argument of a macro.
    static func escaped(_ text: some StringProtocol) -> String {
        String(text).replacing("\\", with: "\\e").replacing("\"", with: "\\(dq")
    }

    /// A line that begins with a dot or a quote would be a macro.
    private static func protected(_ line: String) -> String {
        line.hasPrefix(".") || line.hasPrefix("'") ? "\\&" + line : line
    }
}

/// Builds a manual page in mdoc(7). It is the only code that escapes text for mdoc.
package struct ManualPage {
    private var lines: [String] = []

    /// - Parameters:
    ///   - title: `STS-BRIDGE`.
    ///   - release: the version, and the date of the page as mdoc(7) writes it: `November 21, 2026`.
    package init(title: String, section: Int, name: String, summary: String, release: Release) {
        lines += [
            ".Dd \(release.date)", ".Dt \(title) \(section)", ".Os sts-bridge \(release.version)",
            ".Sh NAME", ".Nm \(name)", ".Nd \(Self.escaped(summary))",
        ]
    }

    package struct Release: Sendable {
        let version: String
        let date: String

        package init(version: String, date: String) {
            self.version = version
            self.date = date
        }
    }

    package var text: String { lines.joined(separator: "\n") + "\n" }

    /// Adds a line of mdoc(7) without escaping it.
    package mutating func macro(_ line: String) { lines.append(line) }

    package mutating func section(_ name: String) { lines.append(".Sh \(name)") }

    package mutating func subsection(_ name: String) { lines.append(".Ss \(Self.escaped(name))") }

    /// Adds paragraphs, which empty lines separate. Indented lines become a literal block.
    package mutating func paragraphs(_ text: String) {
        var before: Block?
        var margin = 0
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let block: Block = line.isEmpty ? .gap : line.hasPrefix(" ") ? .literal : .prose
            if block != before {
                change(from: before, to: block)
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

    private mutating func change(from old: Block?, to new: Block) {
        if old == .literal { lines.append(".Ed") }
        switch (old, new) {
        case (nil, .prose), (_, .gap): break
        case (_, .prose): lines.append(".Pp")
        case (_, .literal): lines.append(".Bd -literal -offset indent")
        }
    }

    /// Splits a line into sentences: mdoc(7) wants each on a line of its own.
    private static func sentences(_ line: Substring) -> [String] {
        String(line).replacing(/([.:?][)]?) +(?=[A-Z(`])/) { "\($0.1)\n" }.split(separator: "\n").map(String.init)
    }

    /// Adds a list of terms and their meanings.
    ///
    /// - Parameters:
    ///   - head: returns the macro calls for the term of an item.
    ///   - body: adds the meaning of an item.
    package mutating func list<Item>(
        _ items: [Item], head: (Item) -> String, body: (Item, inout ManualPage) -> Void
    ) {
        guard !items.isEmpty else { return }
        lines.append(".Bl -tag -width Ds")
        for item in items {
            lines.append(".It \(head(item))")
            body(item, &self)
        }
        lines.append(".El")
    }

    /// Sets text in backticks in bold type.
    private static func styled(_ text: some StringProtocol) -> String {
        let parts = text.split(separator: "`", omittingEmptySubsequences: false)
        return protected(
            parts.enumerated().map { index, part in
                index.isMultiple(of: 2) ? escaped(part) : "\\fB\(escaped(part))\\fP"
            }.joined())
    }

    /// Escapes text for the argument of a macro.
    static func escaped(_ text: some StringProtocol) -> String {
        String(text).replacing("\\", with: "\\e").replacing("\"", with: "\\(dq")
    }

    /// Protects a line that begins with a dot or a quote, which mdoc(7) would read as a macro.
    private static func protected(_ line: String) -> String {
        line.hasPrefix(".") || line.hasPrefix("'") ? "\\&" + line : line
    }
}

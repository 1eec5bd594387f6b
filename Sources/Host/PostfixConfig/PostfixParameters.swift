/// Postfix's settings by name, as one of its programs sees them.
///
/// A name is missing if this version of Postfix does not have it, or if it was not asked for.
package struct PostfixParameters: Equatable, Sendable {
    private var values: [String: String]

    package init(_ values: [String: String] = [:]) {
        self.values = values
    }

    /// Parses lines of `name = value`, as postconf(1) writes them.
    package init(postconf output: some StringProtocol) {
        var values: [String: String] = [:]
        for line in output.split(whereSeparator: \.isNewline) {
            guard let (name, value) = Self.pair(line) else { continue }
            values[name] = value
        }
        self.init(values)
    }

    package subscript(name: String) -> String? { values[name] }

    /// The value, or an empty text if there is none.
    package func text(_ name: String) -> String { values[name] ?? "" }

    /// Whether a value may refer to another parameter (`$name`, postconf(5)), unless postconf has expanded it (`-x`).
    var hasReferences: Bool { values.values.contains { $0.contains("$") } }

    /// The parameters as a service with these `-o` overrides sees them.
    package func overridden(by overrides: [String: String]) -> PostfixParameters {
        PostfixParameters(values.merging(overrides) { _, new in new })
    }

    /// Parses `name = value`, without the blanks around both.
    static func pair(_ text: some StringProtocol) -> (name: String, value: String)? {
        guard let sign = text.firstIndex(of: "=") else { return nil }
        return (text[..<sign].trimmed, text[text.index(after: sign)...].trimmed)
    }
}

extension StringProtocol {
    /// The text without blanks at its ends.
    var trimmed: String {
        var text = drop(while: \.isWhitespace)[...]
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}

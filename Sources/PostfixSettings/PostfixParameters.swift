/// Postfix's settings by name, as one of its programs sees them.
///
/// A name that is not there is one that this version does not have, or that nobody asked for.
package struct PostfixParameters: Equatable, Sendable {
    private var values: [String: String]

    package init(_ values: [String: String] = [:]) {
        self.values = values
    }

    /// From lines of `name = value`, as postconf(1) writes them.
    package init(postconf output: some StringProtocol) {
        var values: [String: String] = [:]
        for line in output.split(whereSeparator: \.isNewline) {
            guard let (name, value) = Self.pair(line) else { continue }
            values[name] = value
        }
        self.init(values)
    }

    package subscript(name: String) -> String? { values[name] }

    /// Empty where there is none.
    package func text(_ name: String) -> String { values[name] ?? "" }

    /// As a service with these `-o` overrides sees them.
    package func overridden(by overrides: [String: String]) -> PostfixParameters {
        PostfixParameters(values.merging(overrides) { _, new in new })
    }

    /// `name = value`, blanks around both removed.
    static func pair(_ text: some StringProtocol) -> (name: String, value: String)? {
        guard let sign = text.firstIndex(of: "=") else { return nil }
        return (text[..<sign].trimmed, text[text.index(after: sign)...].trimmed)
    }
}

extension StringProtocol {
    /// Without the blanks at both ends.
    var trimmed: String {
        var text = drop(while: \.isWhitespace)[...]
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}

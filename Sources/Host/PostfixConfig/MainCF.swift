/// Parses the file main.cf(5), for a host without postconf(1). It holds no defaults.
///
/// `$name`, `${name}` and `$(name)` are replaced; conditional forms (`${name?text}`) are not.
package enum MainCF {
    /// - Parameter overrides: the overrides of a service in master.cf, not expanded.
    package static func parameters(
        in text: some StringProtocol, overrides: [String: String] = [:]
    ) -> PostfixParameters {
        var written: [String: String] = [:]
        for line in LogicalLines.of(text) {
            // As in Postfix, the last setting of a name counts.
            if let (name, value) = PostfixParameters.pair(line) { written[name] = value }
        }
        written.merge(overrides) { $1 }
        return PostfixParameters(written.mapValues { expanded($0, values: written, depth: 0) })
    }

    /// Deeper nesting counts as a loop.
    private static let maximumDepth = 20

    private static func expanded(_ text: String, values: [String: String], depth: Int) -> String {
        guard depth < maximumDepth else { return text }
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$$") {
                result += "$"
                rest = rest.dropFirst(2)
            } else if let (name, length) = macro(rest) {
                result += expanded(values[name] ?? "", values: values, depth: depth + 1)
                rest = rest.dropFirst(length)
            } else {
                result += "$"
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }

    /// The parameter name at the start of a text that begins with `$`, and the number of characters of the whole reference.
    private static func macro(_ text: Substring) -> (name: String, length: Int)? {
        let body = text.dropFirst()
        let closing: Character? = body.first == "{" ? "}" : body.first == "(" ? ")" : nil
        let name = (closing == nil ? body : body.dropFirst()).prefix {
            $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_")
        }
        guard !name.isEmpty else { return nil }
        guard let closing else { return (String(name), 1 + name.count) }
        return body[name.endIndex...].first == closing ? (String(name), 3 + name.count) : nil
    }
}

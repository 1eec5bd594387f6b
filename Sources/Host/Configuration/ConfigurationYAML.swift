/// Writes a configuration as the YAML file that sets it.
package enum ConfigurationYAML {
    package static func file(_ configuration: Configuration) -> String {
        var lines: [String] = []
        var section = ""
        for key in ConfigurationKey.all {
            if key.section != section {
                section = key.section
                lines.append("\(section):")
            }
            lines.append("  \(key.lastName): \(value(of: key, in: configuration))")
        }
        return lines.joined(separator: "\n")
    }

    /// The value of one key, as in the file.
    static func value(of key: ConfigurationKey, in configuration: Configuration) -> String {
        let texts = key.texts(configuration).map(quoted)
        return key.isList ? "[\(texts.joined(separator: ", "))]" : texts.joined()
    }

    /// Adds quotes to a text that YAML could read as another type.
    private static func quoted(_ text: String) -> String {
        let isNull = text.lowercased() == "null"
        let isWord = !isNull && (text.first?.isLetter == true || text.first == "/") && text.utf8.allSatisfy(\.isPlain)
        let isCount = text.first != "0" && Int(text) != nil
        if isWord || isCount || DurationFormat.parse(text) != nil { return text }
        let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return "\"\(escaped)\""
    }
}

extension UInt8 {
    fileprivate var isPlain: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: "/"):
            true
        default: false
        }
    }
}

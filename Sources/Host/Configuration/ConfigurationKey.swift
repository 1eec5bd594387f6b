/// One key of the configuration: its name and meaning, and the conversion between its text and its value.
package struct ConfigurationKey: Sendable {
    /// As in the YAML file, sections joined by dots: `listen.socketmap`.
    package let name: String
    /// One line for the table of keys, sts-bridge.yaml(5) and the example file. Literal text is in backticks.
    let meaning: String
    package let isList: Bool
    /// A change takes effect at the next start. A reload keeps the old value.
    private(set) var needsRestart = false
    /// The form of a valid value, for error messages and the manual.
    let expected: String
    /// Sets the value, or returns `false` if it is not valid. A key that is not a list gets exactly one text.
    let set: @Sendable ([String], inout Configuration) -> Bool
    package let texts: @Sendable (Configuration) -> [String]

    /// `listen`
    var section: String { String(name.prefix { $0 != "." }) }

    /// `socketmap`
    var lastName: String { String(name.dropFirst(section.count + 1)) }

    /// `STS_BRIDGE_LISTEN_SOCKETMAP`. It takes precedence over the file.
    var environmentName: String {
        Self.environmentPrefix
            + name.uppercased().map { $0 == "." || $0 == "-" ? "_" : String($0) }.joined()
    }

    static let environmentPrefix = "STS_BRIDGE_"

    /// The same key, with `needsRestart`.
    var afterRestart: ConfigurationKey {
        var key = self
        key.needsRestart = true
        return key
    }

    static func value<Value>(
        _ name: String, at path: WritableKeyPath<Configuration, Value> & Sendable, meaning: String, expected: String,
        parse: @escaping @Sendable (String) -> Value?, format: @escaping @Sendable (Value) -> String
    ) -> ConfigurationKey {
        ConfigurationKey(name: name, meaning: meaning, isList: false, expected: expected) { texts, configuration in
            guard let value = texts.first.flatMap(parse) else { return false }
            configuration[keyPath: path] = value
            return true
        } texts: {
            [format($0[keyPath: path])]
        }
    }

    static func list<Element>(
        _ name: String, at path: WritableKeyPath<Configuration, [Element]> & Sendable, meaning: String,
        expected: String,
        parse: @escaping @Sendable (String) -> Element?
    ) -> ConfigurationKey {
        ConfigurationKey(name: name, meaning: meaning, isList: true, expected: "a list of \(expected)") {
            texts, configuration in
            let elements = texts.map(parse)
            guard !elements.contains(where: { $0 == nil }) else { return false }
            configuration[keyPath: path] = elements.compactMap { $0 }
            return true
        } texts: {
            $0[keyPath: path].map { "\($0)" }
        }
    }

    static func duration(
        _ name: String, at path: WritableKeyPath<Configuration, Duration> & Sendable, meaning: String,
        in range: ClosedRange<Duration>
    ) -> ConfigurationKey {
        let bounds = "\(DurationFormat.format(range.lowerBound)) to \(DurationFormat.format(range.upperBound))"
        return value(name, at: path, meaning: meaning, expected: "\(DurationFormat.expected), from \(bounds)") { text in
            DurationFormat.parse(text).flatMap { range.contains($0) ? $0 : nil }
        } format: {
            DurationFormat.format($0)
        }
    }

    static func number(
        _ name: String, at path: WritableKeyPath<Configuration, Int> & Sendable, meaning: String,
        in range: ClosedRange<Int>
    ) -> ConfigurationKey {
        value(
            name, at: path, meaning: meaning, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)"
        ) { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        } format: {
            "\($0)"
        }
    }

    static func choice<Value: RawRepresentable & CaseIterable & SendableMetatype>(
        _ name: String, at path: WritableKeyPath<Configuration, Value> & Sendable, meaning: String
    ) -> ConfigurationKey where Value.RawValue == String {
        let values = Value.allCases.map(\.rawValue).joined(separator: ", ")
        return value(name, at: path, meaning: meaning, expected: "one of \(values)") {
            Value(rawValue: $0)
        } format: {
            $0.rawValue
        }
    }

    static func flag(
        _ name: String, at path: WritableKeyPath<Configuration, Bool> & Sendable, meaning: String
    ) -> ConfigurationKey {
        value(name, at: path, meaning: meaning, expected: "true or false") {
            Bool($0)
        } format: {
            "\($0)"
        }
    }
}

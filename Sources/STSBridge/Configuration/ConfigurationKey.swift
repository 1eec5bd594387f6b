/// One key of the configuration: its name, what it means, how its text becomes a value, and how the value is written back.
struct ConfigurationKey: Sendable {
    /// As in the YAML file, sections joined by dots: `listen.socketmap`.
    let name: String
    /// One line for the reader of README, sts-bridge.yaml(5) and the example file; what is typed stands in backticks.
    let meaning: String
    let isList: Bool
    /// A reload leaves the value as it is.
    private(set) var takesRestart = false
    /// What a value looks like, for the message about one that does not.
    let expected: String
    /// Sets the value, or returns `false`. A key that is no list gets exactly one text.
    let set: @Sendable ([String], inout Configuration) -> Bool
    let texts: @Sendable (Configuration) -> [String]

    /// `listen`
    var section: String { String(name.prefix { $0 != "." }) }

    /// `socketmap`
    var lastName: String { String(name.dropFirst(section.count + 1)) }

    /// `STS_BRIDGE_LISTEN_SOCKETMAP`; it wins over the file.
    var environmentName: String {
        Self.environmentPrefix
            + name.uppercased().map { $0 == "." || $0 == "-" ? "_" : String($0) }.joined()
    }

    static let environmentPrefix = "STS_BRIDGE_"

    /// The same key, where a reload leaves the value as it is.
    var afterRestart: ConfigurationKey {
        var key = self
        key.takesRestart = true
        return key
    }

    static func value<Value>(
        _ name: String, _ path: WritableKeyPath<Configuration, Value> & Sendable, _ meaning: String, expected: String,
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
        _ name: String, _ path: WritableKeyPath<Configuration, [Element]> & Sendable, _ meaning: String,
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
        _ name: String, _ path: WritableKeyPath<Configuration, Duration> & Sendable, _ meaning: String,
        _ range: ClosedRange<Duration>
    ) -> ConfigurationKey {
        let bounds = "\(DurationText.format(range.lowerBound)) to \(DurationText.format(range.upperBound))"
        return value(name, path, meaning, expected: "\(DurationText.expected), from \(bounds)") { text in
            DurationText.parse(text).flatMap { range.contains($0) ? $0 : nil }
        } format: {
            DurationText.format($0)
        }
    }

    static func number(
        _ name: String, _ path: WritableKeyPath<Configuration, Int> & Sendable, _ meaning: String,
        _ range: ClosedRange<Int>
    ) -> ConfigurationKey {
        value(name, path, meaning, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        } format: {
            "\($0)"
        }
    }

    static func choice<Value: RawRepresentable & CaseIterable & SendableMetatype>(
        _ name: String, _ path: WritableKeyPath<Configuration, Value> & Sendable, _ meaning: String
    ) -> ConfigurationKey where Value.RawValue == String {
        let words = Value.allCases.map(\.rawValue).joined(separator: ", ")
        return value(name, path, meaning, expected: "one of \(words)") {
            Value(rawValue: $0)
        } format: {
            $0.rawValue
        }
    }

    static func flag(
        _ name: String, _ path: WritableKeyPath<Configuration, Bool> & Sendable, _ meaning: String
    ) -> ConfigurationKey {
        value(name, path, meaning, expected: "true or false") {
            Bool($0)
        } format: {
            "\($0)"
        }
    }
}

import TextFormats

/// An error in the configuration: its place, the key, and the value that was expected there.
package struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    /// The place of a value: a file and its line, or an environment variable.
    enum Origin: Equatable, Sendable {
        case file(String, line: Int)
        case environment(String)
        /// A file as a whole.
        case wholeFile(String)
    }

    let origin: Origin
    package let description: String

    init(at origin: Origin, _ problem: String) {
        self.origin = origin
        description = "\(origin): \(problem)"
    }

    static func unknownKey(_ key: String, at origin: Origin) -> ConfigurationError {
        let name = UntrustedText.escaped(key, limit: 100)
        let similar = ConfigurationKey.all.map(\.name).filter {
            $0.hasSuffix("." + key) || $0.split(separator: ".").first.map(String.init) == key
        }
        let hint =
            similar.isEmpty ? "sts-bridge config print shows all keys" : "expected \(similar.joined(separator: ", "))"
        return ConfigurationError(at: origin, "unknown key \(name); \(hint)")
    }

    static func invalidValue(
        _ texts: [String], of key: ConfigurationKey, at origin: Origin
    ) -> ConfigurationError {
        let shown = texts.map { "\"\(UntrustedText.escaped($0, limit: 100))\"" }.joined(separator: ", ")
        return ConfigurationError(
            at: origin, "\(key.name): \(shown.isEmpty ? "no value" : shown); expected \(key.expected)")
    }
}

extension ConfigurationError.Origin {
    /// The same file at another line.
    func atLine(_ line: Int?) -> ConfigurationError.Origin {
        guard case .file(let path, _) = self, let line else { return self }
        return .file(path, line: line)
    }
}

extension ConfigurationError.Origin: CustomStringConvertible {
    var description: String {
        switch self {
        case .file(let path, let line): "\(path):\(line)"
        case .environment(let name): "environment variable \(name)"
        case .wholeFile(let path): path
        }
    }
}

import MTASTS

/// What is wrong with the configuration: where, which key, and what was expected there.
struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    /// Where a text stands: a file and its line, or an environment variable.
    enum Origin: Equatable, Sendable {
        case file(String, line: Int)
        case environment(String)
        case unreadable(String)
    }

    let origin: Origin
    let description: String

    init(_ origin: Origin, _ problem: String) {
        self.origin = origin
        description = "\(origin): \(problem)"
    }

    static func unknownKey(_ key: String, at origin: Origin) -> ConfigurationError {
        let name = RemoteText.escaped(key, limit: 100)
        let known = ConfigurationKey.all.map(\.name)
        let near = known.filter { $0.hasSuffix("." + key) || $0.split(separator: ".").first.map(String.init) == key }
        let hint = near.isEmpty ? "sts-bridge config print shows all keys" : "expected \(near.joined(separator: ", "))"
        return ConfigurationError(origin, "unknown key \(name); \(hint)")
    }

    static func badValue(_ texts: [String], of key: ConfigurationKey, at origin: Origin) -> ConfigurationError {
        let shown = texts.map { "\"\(RemoteText.escaped($0, limit: 100))\"" }.joined(separator: ", ")
        return ConfigurationError(origin, "\(key.name): \(shown.isEmpty ? "nothing" : shown); expected \(key.expected)")
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
        case .unreadable(let path): path
        }
    }
}

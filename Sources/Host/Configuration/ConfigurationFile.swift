import Yams

/// Reads the keys of a YAML file with their values as text, each with its line.
///
/// Not here: the meaning of a value (`ConfigurationKey`).
enum ConfigurationFile {
    struct Item {
        let text: String
        let origin: ConfigurationError.Origin
    }

    struct Setting {
        let key: ConfigurationKey
        /// The value; for a list, its elements.
        let items: [Item]
        let origin: ConfigurationError.Origin

        var texts: [String] { items.map(\.text) }

        /// The error for a value that the key did not accept: for a list, the first invalid element.
        var error: ConfigurationError {
            var scratch = Configuration()
            guard let item = items.first(where: { !key.set([$0.text], &scratch) }) else {
                return ConfigurationError.invalidValue(texts, of: key, at: origin)
            }
            return ConfigurationError.invalidValue([item.text], of: key, at: item.origin)
        }
    }

    static func settings(in yaml: String, path: String) throws(ConfigurationError) -> [Setting] {
        let root: Node?
        do {
            // With an encoding, Yams does not look for one in the environment.
            root = try Yams.compose(yaml: yaml, .default, .default, .utf8)
        } catch let error as YamlError {
            throw ConfigurationError(at: .file(path, line: error.line ?? 1), "not YAML: \(error.problem)")
        } catch {
            throw ConfigurationError(at: .file(path, line: 1), "not YAML")
        }
        guard let root, !root.isNull else { return [] }
        var settings: [Setting] = []
        try collect(root, prefix: "", path: path, into: &settings)
        return settings
    }

    private static func collect(
        _ node: Node, prefix: String, path: String, into settings: inout [Setting]
    ) throws(ConfigurationError) {
        let line = node.mark?.line ?? 1
        guard case .mapping(let mapping) = node else {
            let name = prefix.isEmpty ? "the file" : prefix
            throw ConfigurationError(at: .file(path, line: line), "\(name): expected keys and values")
        }
        for (keyNode, valueNode) in mapping {
            let origin = ConfigurationError.Origin.file(path, line: keyNode.mark?.line ?? line)
            guard let keyText = keyNode.scalar?.string else { throw ConfigurationError(at: origin, "expected a key") }
            let name = prefix.isEmpty ? keyText : "\(prefix).\(keyText)"
            if let key = ConfigurationKey.all.first(where: { $0.name == name }) {
                guard !settings.contains(where: { $0.key.name == name }) else {
                    throw ConfigurationError(at: origin, "\(name) is set twice")
                }
                settings.append(
                    Setting(key: key, items: try items(of: valueNode, key: key, origin: origin), origin: origin))
            } else if ConfigurationKey.all.contains(where: { $0.name.hasPrefix(name + ".") }) {
                // An empty section sets nothing.
                guard !valueNode.isNull else { continue }
                try collect(valueNode, prefix: name, path: path, into: &settings)
            } else {
                throw ConfigurationError.unknownKey(name, at: origin)
            }
        }
    }

    private static func items(
        of node: Node, key: ConfigurationKey, origin: ConfigurationError.Origin
    ) throws(ConfigurationError) -> [Item] {
        switch node {
        // YAML's null would become an empty text, which is a valid value of some keys.
        case .scalar where node.isNull: throw ConfigurationError.invalidValue([], of: key, at: origin)
        case .scalar(let scalar):
            return [Item(text: scalar.string, origin: origin)]
        case .sequence(let sequence) where key.isList:
            var items: [Item] = []
            for element in sequence {
                let elementOrigin = origin.atLine(element.mark?.line)
                guard let text = element.scalar?.string else {
                    throw ConfigurationError.invalidValue(["a nested value"], of: key, at: elementOrigin)
                }
                guard !element.isNull else { throw ConfigurationError.invalidValue([], of: key, at: elementOrigin) }
                items.append(Item(text: text, origin: elementOrigin))
            }
            return items
        default:
            throw ConfigurationError.invalidValue(["a nested value"], of: key, at: origin)
        }
    }
}

extension Node {
    /// Whether a key, section or file has no value: it is empty, `~`, or `null` without quotes (YAML 1.2 §10.3.2).
    fileprivate var isNull: Bool {
        guard case .scalar(let scalar) = self else { return false }
        return scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }
}

extension YamlError {
    /// Lines count from 1.
    fileprivate var line: Int? {
        switch self {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark.line
        case .duplicatedKeysInMapping(_, let context): context.mark.line
        default: nil
        }
    }

    fileprivate var problem: String {
        switch self {
        case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _): problem
        case .duplicatedKeysInMapping(let duplicates, _):
            "set twice: \(duplicates.joined(separator: ", ")); keep one, and put all keys of a section under it"
        default: "unreadable"
        }
    }
}

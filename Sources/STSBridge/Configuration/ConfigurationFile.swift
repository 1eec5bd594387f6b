import Yams

/// The texts of a YAML file by key, each with its line. Knows YAML and which keys exist, not what they mean.
enum ConfigurationFile {
    struct Item {
        let text: String
        let origin: ConfigurationError.Origin
    }

    struct Setting {
        let key: ConfigurationKey
        /// One, or a list's.
        let items: [Item]
        let origin: ConfigurationError.Origin

        var texts: [String] { items.map(\.text) }

        /// What is wrong with a value that the key did not take: of a list, its first bad item.
        var error: ConfigurationError {
            var scratch = Configuration()
            guard let item = items.first(where: { !key.set([$0.text], &scratch) }) else {
                return ConfigurationError.badValue(texts, of: key, at: origin)
            }
            return ConfigurationError.badValue([item.text], of: key, at: item.origin)
        }
    }

    static func settings(in yaml: String, path: String) throws(ConfigurationError) -> [Setting] {
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch let error as YamlError {
            throw ConfigurationError(.file(path, line: error.line ?? 1), "not YAML: \(error.problem)")
        } catch {
            throw ConfigurationError(.file(path, line: 1), "not YAML")
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
            throw ConfigurationError(.file(path, line: line), "\(name): expected keys and values")
        }
        for (keyNode, valueNode) in mapping {
            let origin = ConfigurationError.Origin.file(path, line: keyNode.mark?.line ?? line)
            guard let word = keyNode.scalar?.string else { throw ConfigurationError(origin, "expected a key") }
            let name = prefix.isEmpty ? word : "\(prefix).\(word)"
            if let key = ConfigurationKey.all.first(where: { $0.name == name }) {
                guard !settings.contains(where: { $0.key.name == name }) else {
                    throw ConfigurationError(origin, "\(name) is set twice")
                }
                settings.append(Setting(key: key, items: try items(of: valueNode, key, origin), origin: origin))
            } else if ConfigurationKey.all.contains(where: { $0.name.hasPrefix(name + ".") }) {
                // A section that is there but empty sets nothing.
                guard !valueNode.isNull else { continue }
                try collect(valueNode, prefix: name, path: path, into: &settings)
            } else {
                throw ConfigurationError.unknownKey(name, at: origin)
            }
        }
    }

    private static func items(
        of node: Node, _ key: ConfigurationKey, _ origin: ConfigurationError.Origin
    ) throws(ConfigurationError) -> [Item] {
        switch node {
        // YAML's null would be read as an empty text, and so as a value that nobody wrote.
        case .scalar where node.isNull: throw ConfigurationError.badValue([], of: key, at: origin)
        case .scalar(let scalar):
            return [Item(text: scalar.string, origin: origin)]
        case .sequence(let sequence) where key.isList:
            var items: [Item] = []
            for element in sequence {
                let place = origin.atLine(element.mark?.line)
                guard let text = element.scalar?.string else {
                    throw ConfigurationError.badValue(["a nested value"], of: key, at: place)
                }
                guard !element.isNull else { throw ConfigurationError.badValue([], of: key, at: place) }
                items.append(Item(text: text, origin: place))
            }
            return items
        default:
            throw ConfigurationError.badValue(["a nested value"], of: key, at: origin)
        }
    }
}

extension Node {
    /// A key, section or file without a value: nothing, `~` or `null` without quotes (YAML 1.2 §10.3.2).
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

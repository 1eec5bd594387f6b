import Foundation

/// Reads the configuration from outside: the file, then the environment, which wins.
enum ConfigurationReader {
    static let defaultPath = "/etc/sts-bridge/config.yaml"

    /// - Parameter path: the file to read; `nil`: `defaultPath` where it exists, else defaults alone.
    /// - Throws: `ConfigurationError` for the first thing that is wrong.
    static func read(path: String?, environment: [String: String]) throws(ConfigurationError) -> Configuration {
        var configuration = Configuration()
        var origins: [String: ConfigurationError.Origin] = [:]
        for setting in try fileSettings(path) + environmentSettings(environment) {
            guard setting.key.set(setting.texts, &configuration) else { throw setting.error }
            origins[setting.key.name] = setting.origin
        }
        if let (keys, problem) = configuration.contradiction {
            // Of the keys that somebody set, the first; one of them was, since the defaults agree.
            let origin = keys.compactMap { origins[$0] }.first ?? .unreadable(path ?? defaultPath)
            throw ConfigurationError(origin, problem)
        }
        return configuration
    }

    private static func fileSettings(_ path: String?) throws(ConfigurationError) -> [ConfigurationFile.Setting] {
        let isDefault = path == nil
        let path = path ?? defaultPath
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch CocoaError.fileReadNoSuchFile where isDefault {
            return []
        } catch {
            throw ConfigurationError(
                .unreadable(path), "cannot be read: \(reason(for: error)); give a readable file with --config")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw ConfigurationError(.unreadable(path), "not UTF-8 text")
        }
        return try ConfigurationFile.settings(in: text, path: path)
    }

    /// The system's words, where Foundation keeps them; its own say less in more lines.
    private static func reason(for error: any Error) -> String {
        guard let system = (error as? CocoaError)?.underlying as? POSIXError else { return error.localizedDescription }
        return String(cString: strerror(system.code.rawValue))
    }

    private static func environmentSettings(
        _ environment: [String: String]
    ) throws(ConfigurationError) -> [ConfigurationFile.Setting] {
        var settings: [ConfigurationFile.Setting] = []
        for (name, text) in environment.sorted(by: { $0.key < $1.key })
        where name.hasPrefix(ConfigurationKey.environmentPrefix) {
            let origin = ConfigurationError.Origin.environment(name)
            guard let key = ConfigurationKey.all.first(where: { $0.environmentName == name }) else {
                if isKubernetesForm(name) { continue }
                throw ConfigurationError.unknownKey(name, at: origin)
            }
            let texts = key.isList ? text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } : [text]
            let items = texts.map { ConfigurationFile.Item(text: $0, origin: origin) }
            settings.append(ConfigurationFile.Setting(key: key, items: items, origin: origin))
        }
        return settings
    }

    /// What Kubernetes puts into every pod beside a service named `sts-bridge`: `STS_BRIDGE_SERVICE_HOST`,
    /// `STS_BRIDGE_SERVICE_PORT[_NAME]`, `STS_BRIDGE_PORT`, `STS_BRIDGE_PORT_8461_TCP[_ADDR|_PORT|_PROTO]`.
    private static func isKubernetesForm(_ name: String) -> Bool {
        let rest = name.dropFirst(ConfigurationKey.environmentPrefix.count)
        if rest == "SERVICE_HOST" || rest == "PORT" || rest == "SERVICE_PORT" || rest.hasPrefix("SERVICE_PORT_") {
            return true
        }
        let words = rest.split(separator: "_")
        return words.count >= 3 && words[0] == "PORT" && Int(words[1]) != nil
            && ["TCP", "UDP", "SCTP"].contains(words[2])
    }
}

import Foundation

/// Reads the configuration from a file and from the environment. The environment takes precedence.
package enum ConfigurationReader {
    package static let defaultPath = "/etc/sts-bridge/config.yaml"

    /// - Parameter path: the file to read; `nil`: `defaultPath`, if it exists.
    /// - Throws: `ConfigurationError` for the first error.
    static func read(path: String?, environment: [String: String]) throws(ConfigurationError) -> Configuration {
        var configuration = Configuration()
        var origins: [String: ConfigurationError.Origin] = [:]
        for setting in try fileSettings(path) + environmentSettings(environment) {
            guard setting.key.set(setting.texts, &configuration) else { throw setting.error }
            origins[setting.key.name] = setting.origin
        }
        if let (keys, problem) = configuration.contradiction {
            // The defaults do not contradict each other, so at least one of the keys was set.
            let origin = keys.compactMap { origins[$0] }.first ?? .wholeFile(path ?? defaultPath)
            throw ConfigurationError(at: origin, problem)
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
                at: .wholeFile(path), "cannot be read: \(reason(for: error)); give a readable file with --config")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw ConfigurationError(at: .wholeFile(path), "not UTF-8 text")
        }
        return try ConfigurationFile.settings(in: text, path: path)
    }

    /// The text of strerror(3) if the error has a code: Foundation's own text is longer and says less.
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

    /// Whether Kubernetes sets the variable in each pod beside a service named `sts-bridge`: `STS_BRIDGE_SERVICE_HOST`,
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

/// The places that a configuration comes from, at the start and at each reload: a file and the environment.
package struct ConfigurationSource: Sendable {
    /// `nil`: the default path, if it exists.
    package let path: String?

    package init(path: String?) {
        self.path = path
    }

    package func read() throws(ConfigurationError) -> Configuration {
        try ConfigurationReader.read(path: path, environment: ProcessInfo.processInfo.environment)
    }
}

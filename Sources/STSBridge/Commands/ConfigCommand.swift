import ArgumentParser

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Checks and shows the configuration.",
        subcommands: [CheckCommand.self, PrintCommand.self])

    struct CheckCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Reads the configuration as the daemon would, and says what is wrong with it.",
            discussion: """
                Use it before a start or a reload. It refuses what these refuse: wrong keys and values, with file and \
                line; a CA file or trust anchors that cannot be used; settings that contradict Postfix's; a cache file \
                of a newer version; one address under two keys. What a start would only warn of is logged to standard \
                error, and can be used. It opens no listener, so it does not see an address that another process has \
                taken, or a socket that no unit passes.
                  sts-bridge config check --config new.yaml
                Exit code 0 when it can be used, 2 when not, 3 when this host could not be asked.
                """)

        @OptionGroup var options: ConfigurationOption
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            do throws(CommandFailure) {
                try await Self.check(try options.read())
                print(json ? #"{"ok":true}"# : "configuration ok")
            } catch {
                guard json else { throw error }
                print(try JSONText.encode(["error": error.description]))
                throw ExitCode(error.status.rawValue)
            }
        }

        /// Builds what the daemon builds, and closes it again.
        private static func check(_ configuration: Configuration) async throws(CommandFailure) {
            // As at a start: without it the shell's limit of open files would be reported as too low.
            DescriptorLimit.raise()
            let log = LogControl(configuration)
            defer { log.close() }
            let setup = try Setup(configuration, logger: log.logger)
            // What is less than a refusal is logged, as at a start.
            setup.tellConflicts(log.logger)
            await setup.upstream.close()
            try configuration.checkArchive()
        }
    }

    struct PrintCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "print",
            abstract: "Prints every key with the value in force, as the file that would give it.",
            discussion: "Defaults, file and environment together. Exit code 2 when it cannot be used.")

        @OptionGroup var options: ConfigurationOption
        @Flag(help: "Print JSON: key and value, lists as lists.") var json = false

        func run() async throws {
            let configuration = try options.read()
            guard json else { return print(ConfigurationText.yaml(configuration)) }
            var values: [String: ConfigurationValue] = [:]
            for key in ConfigurationKey.all {
                let texts = key.texts(configuration)
                values[key.name] = key.isList ? .list(texts) : .text(texts.joined())
            }
            print(try JSONText.encode(values))
        }
    }
}

/// A key's value in JSON.
private enum ConfigurationValue: Encodable {
    case text(String)
    case list([String])

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .list(let texts): try container.encode(texts)
        }
    }
}

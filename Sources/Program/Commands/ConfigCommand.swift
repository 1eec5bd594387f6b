import AdminAPI
import ArgumentParser
import BridgeConfiguration
import BridgeDaemon

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Checks or prints the configuration.",
        subcommands: [CheckCommand.self, PrintCommand.self])

    struct CheckCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Checks the configuration as the daemon does at its start.",
            discussion: """
                Use it before a start or a reload. It finds the same errors: unknown keys and invalid values, with file \
                and line; a CA file or a trust anchor file that cannot be used; settings that contradict Postfix's; a \
                cache file of a newer version; an address in two keys. It logs warnings to standard error; the \
                configuration is still valid then. It opens no listener, so it does not find an address that another \
                process uses, or a socket that systemd does not pass.
                  sts-bridge config check --config new.yaml
                Exit code 0 if the configuration is valid, 2 if not, 3 if this host could not be checked.
                """)

        @OptionGroup var options: ConfigurationOption
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            do throws(CommandError) {
                try await Self.check(try options.read())
                print(json ? #"{"ok":true}"# : "configuration ok")
            } catch {
                guard json else { throw error }
                print(try APIEncoding.text(["error": error.description], isIndented: true))
                throw ExitCode(error.status.rawValue)
            }
        }

        /// Creates the objects that the daemon creates, and closes them again.
        private static func check(_ configuration: Configuration) async throws(CommandError) {
            // As at a start: otherwise the warnings would include the shell's limit of open files.
            DescriptorLimit.raise()
            let log = LogControl(configuration)
            defer { log.close() }
            do throws(DaemonError) {
                let runtime = try RuntimeConfiguration(configuration, logger: log.logger)
                runtime.logConflicts(log.logger)
                await runtime.upstream.close()
                try configuration.checkStore()
            } catch {
                throw CommandError(error)
            }
        }
    }

    struct PrintCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "print",
            abstract: "Prints the value of every key as a configuration file.",
            discussion: "Includes defaults, file and environment. Exit code 2 if the configuration is invalid.")

        @OptionGroup var options: ConfigurationOption
        @Flag(help: "Print JSON: key and value, lists as lists.") var json = false

        func run() async throws {
            let configuration = try options.read()
            guard json else { return print(ConfigurationYAML.file(configuration)) }
            var values: [String: ConfigurationValue] = [:]
            for key in ConfigurationKey.all {
                let texts = key.texts(configuration)
                values[key.name] = key.isList ? .list(texts) : .text(texts.joined())
            }
            print(try APIEncoding.text(values, isIndented: true))
        }
    }
}

/// The value of a key in JSON.
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

import ArgumentParser
import BridgeConfiguration
import BridgeDaemon
import CurlHTTPS
import Foundation

/// The command line: starts the commands and converts errors into exit codes.
package struct STSBridgeCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "sts-bridge",
        abstract: "Supplies Postfix with the TLS policies of MTA-STS (RFC 8461) and DANE.",
        discussion: """
            The daemon, `serve`, answers Postfix's smtp_tls_policy_maps lookups. It finds the policies of the domains \
            that mail is sent to, caches them and refreshes them. Most other commands talk to the daemon; `query` looks \
            up a domain without it, and `doctor` and `config` check this host.

            Why is mail to a domain delayed?
              sts-bridge explain example.com
            Is this host set up correctly?
              sudo sts-bridge doctor
            """,
        version: Version.current,
        subcommands: [
            ServeCommand.self, StatusCommand.self, ExplainCommand.self, QueryCommand.self, CacheCommand.self,
            ExemptCommand.self, PinCommand.self, ObserveCommand.self, ReloadCommand.self, HealthcheckCommand.self,
            DoctorCommand.self, ConfigCommand.self, DocumentationCommand.self,
        ])

    package init() {}

    /// Parses the command line and runs the command. Exits with the exit code of a failure.
    ///
    /// The name is not `main`: in main.swift that would be the synchronous function of `ParsableCommand`.
    package static func runCommandLine() async {
        CurlFetcher.removeEnvironment()
        var isDaemon = false
        do {
            var command = try parseAsRoot()
            isDaemon = command is ServeCommand
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            try StandardOutput.flush()
        } catch let error as CommandError {
            end(error, isDaemon: isDaemon)
        } catch let error as DaemonError {
            end(CommandError(error), isDaemon: isDaemon)
        } catch {
            end(error)
        }
    }

    private static func end(_ error: CommandError, isDaemon: Bool) -> Never {
        let line = "sts-bridge: \(error)"
        if isDaemon {
            StandardError.write(line, within: LogControl.closeLimit)
        } else {
            StandardError.write(line)
        }
        Foundation.exit(error.status.rawValue)
    }

    /// Prints help and version as results. Other errors of ArgumentParser are usage errors: exit code 2 instead of its 64.
    private static func end(_ error: any Error) -> Never {
        let code = exitCode(for: error)
        let message = fullMessage(for: error)
        guard code == .validationFailure else {
            if code.isSuccess { print(message) } else if !message.isEmpty { StandardError.write(message) }
            Foundation.exit(code.rawValue)
        }
        StandardError.write(message)
        Foundation.exit(ExitStatus.usage.rawValue)
    }
}

/// The option for the configuration file.
struct ConfigurationOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The configuration file.", discussion: "Default: \(ConfigurationReader.defaultPath), if it exists.",
            valueName: "file"), completion: .file())
    var config: String?

    var source: ConfigurationSource { ConfigurationSource(path: config) }

    func read() throws(CommandError) -> Configuration {
        do {
            return try source.read()
        } catch {
            throw CommandError(error)
        }
    }
}

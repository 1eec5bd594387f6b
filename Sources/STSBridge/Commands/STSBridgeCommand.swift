import ArgumentParser
import CurlHTTPS
import Foundation

/// The command line. Each command is a file of its own; this one only starts them and turns errors into exit codes.
@main
struct STSBridgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sts-bridge",
        abstract: "Tells Postfix which TLS policy a destination demands (MTA-STS, RFC 8461).",
        discussion: """
            The daemon, `serve`, answers Postfix's smtp_tls_policy_maps lookups: it finds the policies of the domains \
            that mail is sent to, keeps and renews them. The other commands ask the daemon, or the world, or this host.

            Why does mail to a domain wait?
              sts-bridge explain example.com
            Is this host set up well?
              sudo sts-bridge doctor
            """,
        version: Version.current,
        subcommands: [
            ServeCommand.self, StatusCommand.self, ExplainCommand.self, QueryCommand.self, CacheCommand.self,
            ExemptCommand.self, PinCommand.self, ObserveCommand.self, ReloadCommand.self, HealthcheckCommand.self,
            DoctorCommand.self, ConfigCommand.self, DocumentationCommand.self,
        ])

    static func main() async {
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
        } catch let failure as CommandFailure {
            let line = "sts-bridge: \(failure)"
            if isDaemon {
                StandardError.tell(line, within: LogControl.closeLimit)
            } else {
                StandardError.tell(line)
            }
            Foundation.exit(failure.status.rawValue)
        } catch {
            end(error)
        }
    }

    /// Help and version are results; what else ArgumentParser throws is a usage error, exit code 2 instead of its 64.
    private static func end(_ error: any Error) -> Never {
        let code = exitCode(for: error)
        let message = fullMessage(for: error)
        guard code == .validationFailure else {
            if code.isSuccess { print(message) } else if !message.isEmpty { StandardError.tell(message) }
            Foundation.exit(code.rawValue)
        }
        StandardError.tell(message)
        Foundation.exit(ExitStatus.usage.rawValue)
    }
}

/// Where the configuration is.
struct ConfigurationOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The configuration file.", discussion: "Default: \(ConfigurationReader.defaultPath), if it exists.",
            valueName: "file"), completion: .file())
    var config: String?

    var source: ConfigurationSource { ConfigurationSource(path: config) }

    func read() throws(CommandFailure) -> Configuration { try source.read() }
}

/// Where a configuration comes from, now or again: a file and the environment.
struct ConfigurationSource: Sendable {
    /// `nil`: the default path, if it exists.
    let path: String?

    func read() throws(CommandFailure) -> Configuration {
        do {
            return try ConfigurationReader.read(path: path, environment: ProcessInfo.processInfo.environment)
        } catch {
            throw CommandFailure(error)
        }
    }
}

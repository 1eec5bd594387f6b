import ArgumentParser
import BridgeConfiguration
import BridgeDaemon
import Foundation
import Glibc
import Systemd

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Runs the daemon in the foreground.",
        discussion: """
            Logs to standard error. On SIGTERM or SIGINT it answers the pending lookups and ends with exit code 0. On \
            SIGHUP it reads the configuration again without dropping a connection; if the new configuration is invalid, \
            the old one stays.

            A second daemon of the same user may run with the same configuration. Both answer lookups until one of them gets \
            SIGTERM, so an upgrade loses no lookup.

            Supports the environment of systemd: NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS.
            """)

    @OptionGroup var options: ConfigurationOption
    /// Accepted and ignored. Earlier builds waited that long for another daemon.
    @Option(help: .hidden) var takeoverWait: String?

    func run() async throws {
        // It changes the environment, so it must run before any thread starts.
        let systemd = ServiceManagerEnvironment.take(from: ProcessInfo.processInfo.environment)
        // The default action would end the process. SIGHUP has no effect until the daemon traps it.
        signal(SIGHUP, SIG_IGN)
        DescriptorLimit.raise()
        let daemon = try Daemon(options.source, systemd: systemd)
        // The error of a failed start is the last line, so the log closes before it is printed.
        defer { daemon.closeLog() }
        try await daemon.serve()
    }
}

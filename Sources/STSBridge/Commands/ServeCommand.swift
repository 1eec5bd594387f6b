import ArgumentParser
import Foundation
import Glibc
import ServiceManager

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Runs the daemon in the foreground.",
        discussion: """
            Logs to standard error. SIGTERM and SIGINT answer what is pending and end it with exit code 0. SIGHUP reads \
            the configuration again without dropping a connection; one that cannot be used is refused, and the old one \
            stays.

            Started beside a daemon with the same cache file, it stands ready at the same addresses. When that one gets \
            SIGTERM, lookups come here without a gap; if it goes on, this one ends with exit code 3.

            Speaks with a service manager by the words of systemd: NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS.
            """)

    @OptionGroup var options: ConfigurationOption
    @Option(
        help: ArgumentHelp(
            "How long to wait for another daemon to let go of the cache file: a span such as 90s or 5m. Default: 30s.",
            valueName: "span"),
        transform: { text in
            guard let wait = DurationText.parse(text) else {
                throw ValidationError("expected \(DurationText.expected)")
            }
            return wait
        })
    var takeoverWait = Duration.seconds(30)

    func run() async throws {
        // Before there are threads: it changes the environment.
        let manager = ManagerTerms.take(from: ProcessInfo.processInfo.environment)
        // Unhandled it would end us, with lookups pending. Until the daemon traps it, it changes nothing.
        signal(SIGHUP, SIG_IGN)
        DescriptorLimit.raise()
        let daemon = try Daemon(options.source, manager: manager, takeoverWait: takeoverWait)
        // Before an error is printed, which is the last line.
        defer { daemon.closeLog() }
        try await daemon.serve()
    }
}

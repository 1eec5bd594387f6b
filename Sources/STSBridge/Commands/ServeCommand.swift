import ArgumentParser
import Glibc

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Runs the daemon in the foreground.",
        discussion: """
            Logs to standard error. SIGTERM and SIGINT answer what is pending and end it with exit code 0. SIGHUP reads the
            configuration again without dropping a connection; one that cannot be used is refused, and the old one stays.
            """)

    @OptionGroup var options: ConfigurationOption

    func run() async throws {
        // Unhandled it would end us, with lookups pending. Until the daemon traps it, it changes nothing.
        signal(SIGHUP, SIG_IGN)
        DescriptorLimit.raise()
        try await Daemon(options.source).serve()
    }
}

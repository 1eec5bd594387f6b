import Admin
import ArgumentParser

struct ReloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Makes the daemon read its configuration again.",
        discussion: """
            As SIGHUP does: no connection is dropped and nothing is forgotten. A file with a mistake is refused, and \
            what was in force stays.
            Exit code 2 then, with the mistake; sts-bridge config check finds it beforehand.
            """)

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        let reloaded: Reloaded = try await options.ask { try await $0.post(.reload) }
        try options.show(reloaded) { reloaded, _ in
            guard !reloaded.changed.isEmpty || !reloaded.needsRestart.isEmpty else { return "nothing has changed" }
            return
                (reloaded.changed.map { "\($0) is in force" }
                + reloaded.needsRestart.map { "\($0) needs a restart" }).joined(separator: "\n")
        }
    }
}

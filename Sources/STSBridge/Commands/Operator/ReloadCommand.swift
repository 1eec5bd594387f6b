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
        try options.show(reloaded) { reloaded, _ in Self.text(of: reloaded) }
    }

    static func text(of reloaded: Reloaded) -> String {
        let facts = (reloaded.facts ?? []).map { "\($0.name): \($0.to), was \($0.from)" }
        let lines =
            reloaded.changed.map { "\($0) is in force" } + facts
            + reloaded.needsRestart.map { "\($0) needs a restart" }
        return lines.isEmpty ? "nothing has changed" : lines.joined(separator: "\n")
    }
}

import AdminAPI
import ArgumentParser

struct ReloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Makes the daemon read its configuration again.",
        discussion: """
            Does the same as SIGHUP: no connection is dropped and the cache stays. If the file has an error, the \
            previous configuration stays in force and the exit code is 2. To check the file before, use
              sts-bridge config check
            """)

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        let response: ReloadResponse = try await options.request { try await $0.post(.reload) }
        try options.show(response) { response, _ in Self.text(of: response) }
    }

    static func text(of response: ReloadResponse) -> String {
        let settings = (response.changedSettings ?? []).map { "\($0.name): \($0.to), was \($0.from)" }
        let lines =
            response.changed.map { "\($0) is in force" } + settings
            + response.needsRestart.map { "\($0) needs a restart" }
        return lines.isEmpty ? "nothing has changed" : lines.joined(separator: "\n")
    }
}

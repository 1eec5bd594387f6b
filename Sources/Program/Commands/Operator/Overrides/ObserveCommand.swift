import AdminAPI
import ArgumentParser
import TextFormats

struct ObserveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "observe",
        abstract: "Switches observe mode on or off, or shows whether it is on.",
        discussion: """
            In observe mode every lookup is answered "not found", at once and without a reload of Postfix. The \
            replies that it suppresses are logged and counted. Use it to see for a week what enforcement would do, or \
            to switch enforcement off in an emergency. It stays on after a restart of the daemon.
              sts-bridge observe on
              sts-bridge observe
            """)

    @Argument(help: "on or off. Default: only show.") var mode: Mode?
    @OptionGroup var options: OperatorOptions

    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case on, off
    }

    func run() async throws {
        let response: ObserveModeResponse = try await options.request { client in
            guard let mode else { return try await client.get(.observe) }
            return try await client.put(.observe, body: ObserveModeRequest(observing: mode == .on))
        }
        try options.show(response) { response, _ in
            "observe mode is \(ObserveModeFormatter.render(response, now: .current))"
        }
        if let warning = response.warning { StandardError.write(OverrideCommands.notSaved(because: warning)) }
    }
}

enum ObserveModeFormatter {
    /// `on, set by root, 2026-11-21T07:00:00Z, 2h ago: every lookup is answered "not found"`.
    static func render(_ mode: ObserveModeResponse, now: WallTime) -> String {
        let word = mode.observing ? "on" : "off"
        let effect = mode.observing ? ": every lookup is answered \"not found\"" : ""
        if mode.configured { return "\(word), set by the configuration\(effect)" }
        guard let author = mode.author, let since = mode.since else { return "\(word)\(effect)" }
        return "\(word), set by \(author), \(TimeFormat.timestamp(since.time, relativeTo: now))\(effect)"
    }
}

import Admin
import ArgumentParser
import PolicyService

struct ObserveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "observe",
        abstract: "Switches observe mode on or off, or shows whether it is on.",
        discussion: """
            In observe mode Postfix is told nothing about any domain, at once and without a reload of Postfix; what \
            it would have been told is logged and counted. To see for a week what enforcing would do, and as a \
            switch for the day when all else fails. It outlives a restart of the daemon.
              sts-bridge observe on
              sts-bridge observe
            """)

    @Argument(help: "on or off. Default: only show.") var order: Order?
    @OptionGroup var options: OperatorOptions

    enum Order: String, ExpressibleByArgument, CaseIterable {
        case on, off
    }

    func run() async throws {
        let observation: Observation = try await options.ask { client in
            guard let order else { return try await client.get(.observe) }
            return try await client.put(.observe, ObservationOrder(observing: order == .on))
        }
        try options.show(observation) { observation, _ in
            "observe mode is \(ObserveText.render(observation, now: .current))"
        }
        if let warning = observation.warning {
            StandardError.tell("in force now, but not written down, so a restart forgets it: \(warning)")
        }
    }
}

enum ObserveText {
    /// `on, by order of root, 2026-11-21T07:00:00Z, 2h ago: Postfix is told nothing`.
    static func render(_ observation: Observation, now: WallTime) -> String {
        let word = observation.observing ? "on" : "off"
        let effect = observation.observing ? ": Postfix is told nothing" : ""
        if observation.configured { return "\(word), by the configuration\(effect)" }
        guard let author = observation.author, let since = observation.since else { return "\(word)\(effect)" }
        return "\(word), by order of \(author), \(TimeText.moment(since.time, seenFrom: now))\(effect)"
    }
}

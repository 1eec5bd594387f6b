import Admin
import ArgumentParser

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows how the running daemon is: what it knows, what is failing, what ends soonest.",
        discussion: """
            The first thing to look at. A domain that is named as failing is explained by
              sts-bridge explain example.com
            Exit code 0, or 4 when the daemon is not reachable.
            """)

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        let status = try await options.ask { try await $0.get(.status, as: Status.self) }
        try options.show(status, StatusText.render)
    }
}

/// The daemon's state for people.
enum StatusText {
    static func render(_ status: Status, for terminal: Terminal) -> String {
        let now = status.now.time
        var sheet = FactSheet(for: terminal)
        sheet.fact("daemon", "sts-bridge \(status.version), process \(status.process)")
        sheet.fact("up since", TimeText.moment(status.startedAt.time, seenFrom: now))
        sheet.facts("listens on", status.setup.listeners)
        sheet.facts("DNS servers", status.setup.upstreams)
        sheet.fact("dialect", status.setup.dialect)
        sheet.fact("DANE", status.setup.dane)
        if status.observation.observing {
            sheet.fact("observe mode", ObserveText.render(status.observation, now: now), .warning)
        }
        for note in status.setup.notes { sheet.fact("note", note, .warning) }
        sheet.heading("Cache")
        describe(status.cache, in: &sheet)
        sheet.heading("Policies")
        describe(policiesOf: status, in: &sheet)
        if !status.failing.isEmpty {
            sheet.heading("Failing (\(status.failing.count) of \(status.cache.failing))")
            sheet.block(EntryText.failing(status.failing, now: now, for: terminal))
        }
        return sheet.text
    }

    private static func describe(_ cache: Cache, in sheet: inout FactSheet) {
        let states = EntryText.states.compactMap { state in
            cache.states[state].flatMap { $0 > 0 ? "\($0) \(state)" : nil }
        }
        let parts = states.isEmpty ? "" : ": \(states.joined(separator: ", "))"
        sheet.fact("domains", "\(cache.domains)\(parts)")
        sheet.fact("failing", "\(cache.failing)", cache.failing > 0 ? .warning : .good)
        if cache.findings > 0 { sheet.fact("DANE", "\(cache.findings) findings") }
        if !cache.loaded { sheet.fact("file", "still being loaded", .warning) }
        if let failure = cache.archiveFailure {
            sheet.fact("file", "\(failure); \(cache.unwritten) changes wait to be written", .bad)
        } else if cache.unwritten > 0 {
            sheet.fact("file", "\(cache.unwritten) changes wait to be written")
        }
    }

    private static func describe(policiesOf status: Status, in sheet: inout FactSheet) {
        let now = status.now.time
        let background = status.background
        let due = background.refreshesDue > 0 ? ", \(background.refreshesDue) due now" : ""
        sheet.fact("refreshed", "\(background.refreshed) in the background\(due)")
        if background.flights > 0 { sheet.fact("under way", "\(background.flights) discoveries") }
        func tell(_ label: String, _ notable: Notable?, _ style: Style = .plain) {
            guard let notable else { return }
            sheet.fact(label, "\(notable.domain), \(TimeText.moment(notable.at.time, seenFrom: now))", style)
        }
        tell("ends first", status.soonestExpiry)
        tell("ends, failing", status.soonestFailingExpiry, .warning)
        tell("oldest", status.oldestFetch)
        sheet.fact("orders", "\(status.orders.exempted) exempted, \(status.orders.pinned) pinned")
    }
}

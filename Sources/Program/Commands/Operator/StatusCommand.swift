import AdminAPI
import ArgumentParser

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows the state of the running daemon: its cache, failing domains, the next expiry.",
        discussion: """
            Start here. For a domain that is listed as failing, use
              sts-bridge explain example.com
            Exit code 0, or 4 if the daemon cannot be reached.
            """)

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        let status = try await options.request { try await $0.get(.status, as: StatusResponse.self) }
        try options.show(status) { StatusFormatter.render($0, for: $1) }
    }
}

/// Formats the daemon's state as text.
enum StatusFormatter {
    static func render(_ status: StatusResponse, for terminal: Terminal) -> String {
        let now = status.now.time
        var fields = FieldList(for: terminal)
        fields.add("daemon", value: "sts-bridge \(status.version), process \(status.process)")
        fields.add("up since", value: TimeFormat.timestamp(status.startedAt.time, relativeTo: now))
        fields.add("listens on", values: status.runtime.listeners)
        fields.add("DNS servers", values: status.runtime.upstreams)
        fields.add("dialect", value: status.runtime.dialect)
        fields.add("DANE", value: "\(status.runtime.dane)")
        if status.observeMode.observing {
            fields.add(
                "observe mode", value: ObserveModeFormatter.render(status.observeMode, now: now), style: .warning)
        }
        for note in status.runtime.notes { fields.add("note", value: note, style: .warning) }
        fields.heading("Cache")
        describe(status.cache, in: &fields)
        fields.heading("Policies")
        describePolicies(of: status, in: &fields)
        if !status.failing.isEmpty {
            fields.heading("Failing (\(status.failing.count) of \(status.cache.failing))")
            fields.block(EntryFormatter.failing(status.failing, now: now, for: terminal))
        }
        return fields.text
    }

    private static func describe(_ cache: CacheSummary, in fields: inout FieldList) {
        let states = DomainState.allCases.compactMap { state in
            cache.states[state].flatMap { $0 > 0 ? "\($0) \(state.rawValue)" : nil }
        }
        let parts = states.isEmpty ? "" : ": \(states.joined(separator: ", "))"
        fields.add("domains", value: "\(cache.domains)\(parts)")
        fields.add("failing", value: "\(cache.failing)", style: cache.failing > 0 ? .warning : .good)
        if cache.daneResults > 0 { fields.add("DANE", value: "\(cache.daneResults) results") }
        if !cache.loaded { fields.add("cache file", value: "still loading", style: .warning) }
        if let failure = cache.storeFailure {
            fields.add("cache file", value: "\(failure); \(cache.pendingWrites) changes not written yet", style: .bad)
        } else if cache.pendingWrites > 0 {
            fields.add("cache file", value: "\(cache.pendingWrites) changes not written yet")
        }
    }

    private static func describePolicies(of status: StatusResponse, in fields: inout FieldList) {
        let now = status.now.time
        let background = status.background
        let due = background.refreshesDue > 0 ? ", \(background.refreshesDue) due now" : ""
        fields.add("refreshed", value: "\(background.scheduledRefreshes) in the background\(due)")
        if background.discoveries > 0 { fields.add("in progress", value: "\(background.discoveries) discoveries") }
        func add(_ label: String, time: DomainTime?, style: Style = .plain) {
            guard let time else { return }
            fields.add(
                label, value: "\(time.domain), \(TimeFormat.timestamp(time.at.time, relativeTo: now))", style: style)
        }
        add("next expiry", time: status.soonestExpiry)
        add("…if failing", time: status.soonestFailingExpiry, style: .warning)
        add("oldest fetch", time: status.oldestFetch)
        fields.add("overrides", value: "\(status.overrides.exempted) exempted, \(status.overrides.pinned) pinned")
    }
}

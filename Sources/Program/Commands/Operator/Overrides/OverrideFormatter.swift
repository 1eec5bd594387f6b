import AdminAPI
import TextFormats

/// Formats exemptions and pins as text.
enum OverrideFormatter {
    /// `exempted: reply not-found`, `pinned to mx.example.com`.
    static func summary(_ override: OverrideResponse) -> String {
        switch override.kind {
        case .exempt:
            return "exempted: reply \((override.as ?? .notFound).rawValue)"
        case .pin:
            let names = override.match ?? []
            return names.isEmpty ? "pinned to the names of its policy" : "pinned to \(names.joined(separator: ", "))"
        }
    }

    static func added(_ change: OverrideChangeResponse, now: WallTime) -> String {
        let override = change.override
        let end =
            override.until.map { "until \(TimeFormat.timestamp($0.time, relativeTo: now))" } ?? "until it is removed"
        let before = change.replaced.map { "\n(it was \(summary($0)); reason: \($0.reason))" } ?? ""
        return "\(override.domain) is \(summary(override)), \(end)\(before)"
    }

    static func removed(_ change: OverrideChangeResponse) -> String {
        switch change.override.kind {
        case .exempt: "\(change.override.domain) is no longer exempted"
        case .pin: "\(change.override.domain) is no longer pinned"
        }
    }

    static func list(_ overrides: [OverrideResponse], now: WallTime, for terminal: Terminal) -> String {
        let columns = [
            TextTable.Column(title: "DOMAIN", minimumWidth: 30), TextTable.Column(title: "OVERRIDE", minimumWidth: 9),
            TextTable.Column(title: "ENDS"), TextTable.Column(title: "REASON", minimumWidth: 24),
            TextTable.Column(title: "AUTHOR", dropOrder: 1), TextTable.Column(title: "SINCE", dropOrder: 2),
        ]
        let moment = { (time: WallTime) in
            terminal.width == nil ? TimeFormat.timestamp(time) : TimeFormat.relative(to: time, from: now)
        }
        let rows = overrides.map { override in
            [
                StyledText(override.domain), StyledText(effect(of: override)),
                override.until.map {
                    StyledText(moment($0.time), style: $0.time < now + .seconds(86_400) ? .warning : .plain)
                } ?? StyledText("-", style: .faint),
                StyledText(override.reason), StyledText(override.author), StyledText(moment(override.since.time)),
            ]
        }
        return TextTable.render(columns, rows: rows, for: terminal)
    }

    private static func effect(of override: OverrideResponse) -> String {
        switch override.kind {
        case .exempt: override.as?.rawValue ?? ""
        case .pin: override.match.flatMap { $0.isEmpty ? nil : $0.joined(separator: ",") } ?? "policy"
        }
    }
}

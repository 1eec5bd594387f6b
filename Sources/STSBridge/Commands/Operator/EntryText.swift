import Admin
import PolicyService

/// Domains of the cache for people.
enum EntryText {
    static let states = EntryState.allCases.map(\.rawValue)

    // MARK: Lists

    static let columns = [
        TextTable.Column(title: "DOMAIN", least: 28), TextTable.Column(title: "STATE"),
        TextTable.Column(title: "ENDS"), TextTable.Column(title: "ASKED", rank: 2),
        TextTable.Column(title: "FETCHED", rank: 3), TextTable.Column(title: "REFRESH", rank: 4),
        TextTable.Column(title: "ID", rank: 5, least: 10), TextTable.Column(title: "FAILURE", rank: 1, least: 16),
    ]

    static func cells(_ line: EntryLine, now: WallTime, for terminal: Terminal) -> [StyledText] {
        let moment = { (time: Timestamp?) -> StyledText in
            guard let time = time?.time else { return StyledText("-", .faint) }
            return StyledText(terminal.width == nil ? TimeText.moment(time) : TimeText.distance(to: time, from: now))
        }
        return [
            StyledText(line.domain), StyledText(line.state, style(ofState: line.state)), moment(line.expiresAt),
            moment(line.askedAt), moment(line.fetchedAt), moment(line.refreshAt), StyledText(line.id ?? "-"),
            line.failure.map { StyledText($0, line.failing ? .warning : .faint) } ?? StyledText("-", .faint),
        ]
    }

    /// Few of them, with why they fail.
    static func failing(_ lines: [EntryLine], now: WallTime, for terminal: Terminal) -> String {
        let columns = [
            TextTable.Column(title: "DOMAIN", least: 20), TextTable.Column(title: "STATE"),
            TextTable.Column(title: "ENDS", rank: 1), TextTable.Column(title: "FAILURE", least: 20),
        ]
        let places = [0, 1, 2, 7]
        let rows = lines.map { line in
            let cells = cells(line, now: now, for: terminal)
            return places.map { cells[$0] }
        }
        return TextTable.render(columns, rows, for: terminal)
    }

    private static func style(ofState state: String) -> Style {
        switch EntryState(rawValue: state) {
        case .enforce: .good
        case .unknown: .warning
        case .testing, .some(.none), .noPolicy, nil: .plain
        }
    }

    // MARK: One domain

    static func render(_ entry: Entry, now: WallTime, for terminal: Terminal) -> String {
        var sheet = FactSheet(for: terminal)
        sheet.fact("domain", entry.domain, .strong)
        sheet.fact("state", entry.state, style(ofState: entry.state))
        describe(entry, now: now, in: &sheet)
        if let time = entry.record?.freshUntil.time {
            sheet.fact("asked again", "by a lookup after \(TimeText.moment(time, seenFrom: now))")
        }
        return sheet.text
    }

    static func describe(_ entry: Entry, now: WallTime, in sheet: inout FactSheet) {
        let moment = { (time: Timestamp) in TimeText.moment(time.time, seenFrom: now) }
        if let policy = entry.policy { describe(policy, now: now, in: &sheet) }
        if let time = entry.refreshAt { sheet.fact("refresh", moment(time)) }
        if let record = entry.record {
            sheet.fact("record", "\(record.text); as of \(moment(record.at))")
        }
        if let failure = entry.failure {
            let times = failure.count == 1 ? "" : ", \(failure.count) times in a row"
            sheet.fact(
                "fetch failed", "\(failure.text) (\(failure.type)); \(moment(failure.at))\(times)", .warning)
        }
        sheet.fact("last lookup", moment(entry.askedAt))
        if entry.underWay { sheet.fact("under way", "a discovery or a refresh") }
        if entry.inArchiveOnly { sheet.fact("where", "in the file only; the next lookup brings it into memory") }
    }

    private static func describe(_ policy: Policy, now: WallTime, in sheet: inout FactSheet) {
        let moment = { (time: Timestamp) in TimeText.moment(time.time, seenFrom: now) }
        let life = TimeText.span(seconds: Int64(policy.maxAge))
        sheet.fact("policy", "\(policy.mode), id \(policy.id), max_age \(policy.maxAge) s (\(life))")
        sheet.facts("mx", policy.mx)
        for notice in policy.notices { sheet.fact("tolerated", notice, .faint) }
        sheet.fact("fetched", moment(policy.fetchedAt))
        sheet.fact("lives until", moment(policy.expiresAt), policy.applied ? .plain : .warning)
        if !policy.applied { sheet.fact("", "its life is over: it is not applied", .warning) }
    }
}

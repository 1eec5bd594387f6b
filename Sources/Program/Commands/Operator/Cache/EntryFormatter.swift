import AdminAPI
import TextFormats

/// Formats domains of the cache as text.
enum EntryFormatter {
    /// All states, for help and errors.
    static let states = DomainState.allCases.map(\.rawValue).joined(separator: ", ")

    // MARK: Lists

    static let columns = [
        TextTable.Column(title: "DOMAIN", minimumWidth: 28), TextTable.Column(title: "STATE"),
        TextTable.Column(title: "EXPIRES"), TextTable.Column(title: "LOOKUP", dropOrder: 2),
        TextTable.Column(title: "FETCHED", dropOrder: 3), TextTable.Column(title: "REFRESH", dropOrder: 4),
        TextTable.Column(title: "ID", dropOrder: 5, minimumWidth: 10),
        TextTable.Column(title: "FAILURE", dropOrder: 1, minimumWidth: 16),
    ]

    static func cells(_ entry: EntrySummary, now: WallTime, for terminal: Terminal) -> [StyledText] {
        let moment = { (time: Timestamp?) -> StyledText in
            guard let time = time?.time else { return StyledText("-", style: .faint) }
            return StyledText(
                terminal.width == nil ? TimeFormat.timestamp(time) : TimeFormat.relative(to: time, from: now))
        }
        return [
            StyledText(entry.domain), StyledText(entry.state.rawValue, style: style(of: entry.state)),
            moment(entry.expiresAt), moment(entry.lastLookupAt), moment(entry.fetchedAt), moment(entry.refreshAt),
            StyledText(entry.id ?? "-"),
            entry.failure.map { StyledText($0, style: entry.failing ? .warning : .faint) }
                ?? StyledText("-", style: .faint),
        ]
    }

    /// A short table of failing domains.
    static func failing(_ entries: [EntrySummary], now: WallTime, for terminal: Terminal) -> String {
        let columns = [
            TextTable.Column(title: "DOMAIN", minimumWidth: 20), TextTable.Column(title: "STATE"),
            TextTable.Column(title: "EXPIRES", dropOrder: 1), TextTable.Column(title: "FAILURE", minimumWidth: 20),
        ]
        let indices = [0, 1, 2, 7]
        let rows = entries.map { entry in
            let cells = cells(entry, now: now, for: terminal)
            return indices.map { cells[$0] }
        }
        return TextTable.render(columns, rows: rows, for: terminal)
    }

    private static func style(of state: DomainState) -> Style {
        switch state {
        case .enforce: .good
        case .unknown: .warning
        case .testing, .none, .noPolicy: .plain
        }
    }

    // MARK: One domain

    static func render(_ entry: EntryResponse, now: WallTime, for terminal: Terminal) -> String {
        var fields = FieldList(for: terminal)
        fields.add("domain", value: entry.domain, style: .strong)
        fields.add("state", value: entry.state.rawValue, style: style(of: entry.state))
        describe(entry, now: now, in: &fields)
        if let time = entry.record?.freshUntil.time {
            fields.add("next query", value: "by a lookup after \(TimeFormat.timestamp(time, relativeTo: now))")
        }
        return fields.text
    }

    static func describe(_ entry: EntryResponse, now: WallTime, in fields: inout FieldList) {
        let moment = { (time: Timestamp) in TimeFormat.timestamp(time.time, relativeTo: now) }
        if let policy = entry.policy { describe(policy, now: now, in: &fields) }
        if let time = entry.refreshAt { fields.add("refresh", value: moment(time)) }
        if let record = entry.record {
            fields.add("record", value: "\(record.text); at \(moment(record.at))")
        }
        if let failure = entry.failure {
            let times = failure.count == 1 ? "" : ", \(failure.count) times in a row"
            fields.add(
                "fetch failed", value: "\(failure.text) (\(failure.type)); \(moment(failure.at))\(times)",
                style: .warning)
        }
        fields.add("last lookup", value: moment(entry.lastLookupAt))
        if entry.inProgress { fields.add("in progress", value: "a discovery or a refresh") }
        if entry.storeOnly {
            fields.add("where", value: "in the cache file only; the next lookup reads it into memory")
        }
    }

    private static func describe(_ policy: PolicyDetails, now: WallTime, in fields: inout FieldList) {
        let published = policy.published
        let moment = { (time: Timestamp) in TimeFormat.timestamp(time.time, relativeTo: now) }
        let lifetime = TimeFormat.duration(seconds: Int64(published.maxAge))
        fields.add(
            "policy", value: "\(published.mode.rawValue), id \(policy.id), max_age \(published.maxAge) s (\(lifetime))")
        fields.add("mx", values: published.mx)
        for warning in published.warnings { fields.add("tolerated", value: warning, style: .faint) }
        fields.add("fetched", value: moment(policy.fetchedAt))
        fields.add("expires", value: moment(policy.expiresAt), style: policy.applied ? .plain : .warning)
        if !policy.applied { fields.add("", value: "expired: it does not apply any more", style: .warning) }
    }
}

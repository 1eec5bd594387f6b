import AdminAPI
import TextFormats

/// Formats an explanation as text.
enum ExplainFormatter {
    static func render(_ response: ExplainResponse, for terminal: Terminal) -> String {
        var fields = FieldList(for: terminal)
        let now = response.at.time
        fields.add("domain", value: response.domain, style: .strong)
        let port = response.port.map { "port \($0)" } ?? "a port of unknown service name"
        if response.host { fields.add("destination", value: "a smart host, \(port): its own policy applies") }
        if !response.host, response.port != 25 { fields.add("destination", value: port) }
        fields.heading("Reply to Postfix")
        describe(response.answer, dialect: response.dialect, in: &fields)
        if let suppressed = response.suppressed {
            fields.heading("Reply without observe mode")
            describe(suppressed, dialect: response.dialect, in: &fields)
        }
        if let override = response.override { describe(override, now: now, in: &fields) }
        fields.heading("Cache")
        fields.add(
            "policy state", value: response.knowledge.text,
            style: response.knowledge.outcome == .unknown ? .warning : .plain)
        if let entry = response.entry { EntryFormatter.describe(entry, now: now, in: &fields) }
        if let failure = response.storeFailure {
            fields.add("cache file", value: "cannot be read: \(failure)", style: .bad)
        }
        fields.add("next lookup", value: description(of: response.next, now: now))
        if let dane = response.dane { describe(dane, now: now, in: &fields) }
        describe(response.failures, now: now, in: &fields)
        describe(response.lookups, now: now, for: terminal, in: &fields)
        if let live = response.live { describe(live, differences: response.differences ?? [], in: &fields) }
        return fields.text
    }

    // MARK: The answer

    private static func describe(_ answer: Answer, dialect: String, in fields: inout FieldList) {
        // The dialect that most clients use comes first.
        let dialects = answer.replies.keys.sorted { ($0 == dialect ? 0 : 1, $0) < ($1 == dialect ? 0 : 1, $1) }
        if Set(answer.replies.values).count == 1, let reply = answer.replies[dialect] {
            fields.add("reply", value: reply, style: style(of: reply))
        } else {
            for name in dialects {
                let reply = answer.replies[name] ?? ""
                fields.add(name, value: reply, style: style(of: reply))
            }
            fields.add("dialect", value: "\(dialect), if a client chooses none")
        }
        fields.add("rule", value: answer.rule.rawValue + (answer.section.map { " (\($0))" } ?? ""))
        fields.add("reason", value: answer.reason)
    }

    private static func style(of reply: String) -> Style {
        if reply.hasPrefix("OK secure") || reply.hasPrefix("OK dane") { return .good }
        return reply.hasPrefix("TEMP") ? .bad : .plain
    }

    private static func describe(_ override: OverrideResponse, now: WallTime, in fields: inout FieldList) {
        fields.heading("Override")
        fields.add("override", value: OverrideFormatter.summary(override), style: .warning)
        fields.add("reason", value: override.reason)
        fields.add("set", value: "by \(override.author), \(TimeFormat.timestamp(override.since.time, relativeTo: now))")
        fields.add(
            "ends", value: override.until.map { TimeFormat.timestamp($0.time, relativeTo: now) } ?? "when it is removed"
        )
    }

    private static func description(of next: NextLookupDetails, now: WallTime) -> String {
        switch next.action {
        case .answer:
            let until = next.until.map { TimeFormat.timestamp($0.time, relativeTo: now) }
            return "is answered from memory" + (until.map { "; after \($0) it queries the TXT record" } ?? "")
        case .join: return "waits for the discovery that is in progress"
        case .readStore: return "reads the cache file first"
        case .queryRecord: return "queries the TXT record first"
        case .fetch: return "fetches the policy\(next.id.map { " of id \($0)" } ?? "") first"
        }
    }

    // MARK: DANE

    private static func describe(_ dane: DANEDetails, now: WallTime, in fields: inout FieldList) {
        fields.heading("DANE")
        fields.add("coverage", value: dane.coverage.rawValue, style: dane.coverage == .complete ? .good : .plain)
        if let reason = dane.reason { fields.add("unknown", value: reason, style: .warning) }
        if let mx = dane.mx { fields.add("mx set", value: mx) }
        if let answer = dane.mxAnswer { fields.add("dns", value: answer, style: .faint) }
        for host in dane.hosts {
            fields.add("mx host", value: "\(host.name): \(host.status)")
            for answer in host.answers { fields.add("dns", value: answer, style: .faint) }
        }
        if let at = dane.at { fields.add("found", value: TimeFormat.timestamp(at.time, relativeTo: now)) }
        if let until = dane.freshUntil {
            fields.add("next query", value: "by a lookup after \(TimeFormat.timestamp(until.time, relativeTo: now))")
        }
        if dane.inProgress { fields.add("in progress", value: "a discovery") }
        if dane.at == nil, !dane.inProgress { fields.add("found", value: "nothing yet: no lookup needed it") }
    }

    // MARK: History

    private static func describe(_ failures: [FailureEvent], now: WallTime, in fields: inout FieldList) {
        guard !failures.isEmpty else { return }
        fields.heading("Last failures")
        for failure in failures {
            let time = TimeFormat.timestamp(failure.at.time, relativeTo: now)
            fields.add(failure.kind.rawValue, value: "\(failure.text); \(time)", style: .warning)
        }
    }

    private static func describe(
        _ lookups: [LookupEvent], now: WallTime, for terminal: Terminal, in fields: inout FieldList
    ) {
        guard !lookups.isEmpty else { return }
        fields.heading("Last lookups")
        let columns = [
            TextTable.Column(title: "TIME"), TextTable.Column(title: "REPLY"), TextTable.Column(title: "RULE"),
            TextTable.Column(title: "PORT", dropOrder: 1, isNumber: true),
        ]
        let rows = lookups.map { lookup in
            [
                StyledText(TimeFormat.timestamp(lookup.at.time, relativeTo: now)), StyledText(lookup.reply),
                StyledText(lookup.rule.rawValue),
                StyledText("\(lookup.port.map(String.init) ?? "unknown")\(lookup.host ? ", smart host" : "")"),
            ]
        }
        fields.block(TextTable.render(columns, rows: rows, for: terminal))
    }

    // MARK: Live

    private static func describe(
        _ live: QueryReport, differences: [Difference], in fields: inout FieldList
    ) {
        fields.heading("Fresh discovery")
        QueryFormatter.describe(live, in: &fields)
        fields.heading("Differences")
        guard !differences.isEmpty else {
            return live.outcome == .unknown
                ? fields.add("none", value: "the fresh discovery could not find out more")
                : fields.add("none", value: "the cached policy is the published one", style: .good)
        }
        for difference in differences {
            fields.add(difference.property.rawValue, value: "- \(difference.cached)", style: .bad)
            fields.add("", value: "+ \(difference.live)", style: .good)
        }
    }
}

import Admin
import PolicyService

/// An explanation for people.
enum ExplainText {
    static func render(_ explained: Explained, for terminal: Terminal) -> String {
        var sheet = FactSheet(for: terminal)
        let now = explained.at.time
        sheet.fact("domain", explained.domain, .strong)
        let port = explained.port.map { "port \($0)" } ?? "a port of unknown service name"
        if explained.host { sheet.fact("destination", "a smart host, \(port): its own policy applies") }
        if !explained.host, explained.port != 25 { sheet.fact("destination", port) }
        sheet.heading("What Postfix is told")
        describe(explained.answer, dialect: explained.dialect, in: &sheet)
        if let withheld = explained.withheld {
            sheet.heading("What it would be told without observe mode")
            describe(withheld, dialect: explained.dialect, in: &sheet)
        }
        if let order = explained.order { describe(order, now: now, in: &sheet) }
        sheet.heading("What is known")
        sheet.fact("known", explained.known.text, explained.known.outcome == "unknown" ? .warning : .plain)
        if let entry = explained.entry { EntryText.describe(entry, now: now, in: &sheet) }
        if let failure = explained.archiveFailure { sheet.fact("file", "cannot be looked into: \(failure)", .bad) }
        sheet.fact("next lookup", words(for: explained.next, now: now))
        if let dane = explained.dane { describe(dane, now: now, in: &sheet) }
        describe(explained.failures, now: now, in: &sheet)
        describe(explained.lookups, now: now, in: &sheet, terminal)
        if let live = explained.live { describe(live, explained.differences ?? [], in: &sheet) }
        return sheet.text
    }

    // MARK: The answer

    private static func describe(_ answer: Answer, dialect: String, in sheet: inout FactSheet) {
        // The one that most hear comes first.
        let dialects = answer.replies.keys.sorted { ($0 == dialect ? 0 : 1, $0) < ($1 == dialect ? 0 : 1, $1) }
        if Set(answer.replies.values).count == 1, let reply = answer.replies[dialect] {
            sheet.fact("reply", reply, style(of: reply))
        } else {
            for name in dialects {
                let reply = answer.replies[name] ?? ""
                sheet.fact(name, reply, style(of: reply))
            }
            sheet.fact("dialect", "\(dialect), where a client chooses none")
        }
        sheet.fact("rule", answer.rule + (answer.section.map { " (\($0))" } ?? ""))
        sheet.fact("why", answer.why)
    }

    private static func style(of reply: String) -> Style {
        if reply.hasPrefix("OK secure") || reply.hasPrefix("OK dane") { return .good }
        return reply.hasPrefix("TEMP") ? .bad : .plain
    }

    private static func describe(_ order: Order, now: WallTime, in sheet: inout FactSheet) {
        sheet.heading("The operator's order")
        sheet.fact("order", OrderText.summary(order), .warning)
        sheet.fact("reason", order.reason)
        sheet.fact("given", "by \(order.author), \(TimeText.moment(order.since.time, seenFrom: now))")
        sheet.fact("ends", order.until.map { TimeText.moment($0.time, seenFrom: now) } ?? "when it is removed")
    }

    private static func words(for next: Next, now: WallTime) -> String {
        switch (next.action, next.until?.time) {
        case ("answer", let until?):
            "is answered at once; after \(TimeText.moment(until, seenFrom: now)) it asks for the TXT record first"
        case ("join", _): "waits for the discovery that is under way"
        case ("read-archive", _): "looks into the file first"
        case ("fetch", _): "fetches the policy\(next.id.map { " of id \($0)" } ?? "") first"
        default: "asks for the TXT record first"
        }
    }

    // MARK: DANE

    private static func describe(_ dane: DANEFound, now: WallTime, in sheet: inout FactSheet) {
        sheet.heading("DANE")
        sheet.fact("coverage", dane.coverage, dane.coverage == "complete" ? .good : .plain)
        if let reason = dane.reason { sheet.fact("not known", reason, .warning) }
        if let mx = dane.mx { sheet.fact("mx set", mx) }
        if let answer = dane.mxAnswer { sheet.fact("dns", answer, .faint) }
        for host in dane.hosts {
            sheet.fact("mx host", "\(host.name): \(host.judgement)")
            for answer in host.answers { sheet.fact("dns", answer, .faint) }
        }
        if let at = dane.at { sheet.fact("found", TimeText.moment(at.time, seenFrom: now)) }
        if let until = dane.freshUntil {
            sheet.fact("asked again", "by a lookup after \(TimeText.moment(until.time, seenFrom: now))")
        }
        if dane.underWay { sheet.fact("under way", "a discovery") }
        if dane.at == nil, !dane.underWay { sheet.fact("found", "nothing yet: no lookup has asked") }
    }

    // MARK: What was

    private static func describe(_ failures: [PastFailure], now: WallTime, in sheet: inout FactSheet) {
        guard !failures.isEmpty else { return }
        sheet.heading("Last failures")
        for failure in failures {
            sheet.fact(failure.what, "\(failure.text); \(TimeText.moment(failure.at.time, seenFrom: now))", .warning)
        }
    }

    private static func describe(
        _ lookups: [PastLookup], now: WallTime, in sheet: inout FactSheet, _ terminal: Terminal
    ) {
        guard !lookups.isEmpty else { return }
        sheet.heading("Last lookups")
        let columns = [
            TextTable.Column(title: "TIME"), TextTable.Column(title: "REPLY"), TextTable.Column(title: "RULE"),
            TextTable.Column(title: "PORT", rank: 1, isNumber: true),
        ]
        let rows = lookups.map { lookup in
            [
                StyledText(TimeText.moment(lookup.at.time, seenFrom: now)), StyledText(lookup.reply),
                StyledText(lookup.rule),
                StyledText("\(lookup.port.map(String.init) ?? "unknown")\(lookup.host ? ", smart host" : "")"),
            ]
        }
        sheet.block(TextTable.render(columns, rows, for: terminal))
    }

    // MARK: Live

    private static func describe(_ live: QueryReport, _ differences: [Difference], in sheet: inout FactSheet) {
        sheet.heading("A fresh discovery")
        QueryText.describe(live, in: &sheet)
        sheet.heading("Differences")
        guard !differences.isEmpty else {
            return live.outcome == .unknown
                ? sheet.fact("none", "a fresh discovery could not find out more")
                : sheet.fact("none", "what is held is what is published", .good)
        }
        for difference in differences {
            sheet.fact(difference.what, "- \(difference.served)", .bad)
            sheet.fact("", "+ \(difference.live)", .good)
        }
    }
}

import PolicyService

/// One domain in a list: what is asked for first, and the same size for each.
package struct EntryLine: WireValue, Equatable {
    package let domain: String
    package let state: String
    package let id: String?
    package let fetchedAt: Timestamp?
    package let expiresAt: Timestamp?
    package let refreshAt: Timestamp?
    package let askedAt: Timestamp
    package let failing: Bool
    package let failure: String?

    static let state = Schema.word(
        EntryState.allCases.map(\.rawValue),
        "The mode of its living policy; no-policy: it has none; unknown: could not find out, and none is held.")

    package static var schema: ObjectSchema {
        ObjectSchema(
            "EntryLine", "One domain in a list; /v1/entries/{domain} has all of it.",
            [
                .always("domain", .text("In its ASCII form, lower-case.")),
                .always("state", state),
                .sometimes("id", .text("Of the policy that is held.")),
                .sometimes("fetchedAt", .time("The policy's last fetch.")),
                .sometimes("expiresAt", .time("When the policy's life is over.")),
                .sometimes("refreshAt", .time("When the policy is fetched again in the background.")),
                .always("askedAt", .time("When Postfix last asked; after a restart to the day.")),
                .always("failing", .flag("The last TXT query or the last fetch failed, and that matters.")),
                .sometimes("failure", .text("What failed last.")),
            ])
    }
}

/// A part of the list.
package struct EntryList: WireValue, Equatable {
    package let entries: [EntryLine]
    package let next: String?

    package static var schema: ObjectSchema {
        ObjectSchema(
            "EntryList", "A part of the list of domains.",
            [
                .always("entries", .list(.object(EntryLine.schema), "In the order that was asked for.")),
                .sometimes("next", .text("The value of after for the next part; missing in the last one.")),
            ])
    }
}

extension EntryLine {
    package init(_ report: EntryReport) {
        domain = report.domain.name.text
        state = report.state.rawValue
        id = report.policy?.id.text
        fetchedAt = report.policy.map { Timestamp($0.fetchedAt) }
        expiresAt = report.expiresAt.map(Timestamp.init)
        refreshAt = report.refreshAt.map(Timestamp.init)
        askedAt = Timestamp(report.askedAt)
        failing = report.isFailing
        failure = Self.failure(of: report)
    }

    private static func failure(of report: EntryReport) -> String? {
        if case .failed(let failure) = report.record?.finding { return Shown.text(failure) }
        return report.failure.map { Shown.text($0.failure) }
    }
}

import AdminAPI
import Discovery
import MTASTS
import PolicyCaching
import TextFormats

extension EntryResponse {
    init(_ report: EntryReport) {
        self.init(
            domain: report.domain.name.text, state: DomainState(report.state),
            policy: report.policy.map {
                PolicyDetails($0, isApplied: report.isApplied, expiresAt: report.expiresAt)
            },
            record: report.record.map(RecordDetails.init), failure: report.failure.map(FetchFailure.init),
            failing: report.isFailing, lastLookupAt: Timestamp(report.lastLookupAt),
            refreshAt: report.refreshAt.map(Timestamp.init), inProgress: report.isInProgress,
            storeOnly: report.isInStoreOnly)
    }
}

extension EntrySummary {
    init(_ report: EntryReport) {
        self.init(
            domain: report.domain.name.text, state: DomainState(report.state), id: report.policy?.id.text,
            fetchedAt: report.policy.map { Timestamp($0.fetchedAt) }, expiresAt: report.expiresAt.map(Timestamp.init),
            refreshAt: report.refreshAt.map(Timestamp.init), lastLookupAt: Timestamp(report.lastLookupAt),
            failing: report.isFailing, failure: Self.failure(report))
    }

    private static func failure(_ report: EntryReport) -> String? {
        if case .failed(let error) = report.record?.result { return Sanitized.text(error) }
        return report.failure.map { Sanitized.text($0.failure) }
    }
}

extension PublishedPolicy {
    package init(_ policy: STSPolicy) {
        self.init(
            mode: PolicyMode(policy.mode), maxAge: policy.maxAge, mx: policy.mx.map(\.description),
            warnings: policy.warnings.map(\.description))
    }
}

extension PolicyDetails {
    /// - Parameter expiresAt: `nil`: the time that follows from its fetch.
    init(_ cached: CachedPolicy, isApplied: Bool, expiresAt: WallTime? = nil) {
        self.init(
            PublishedPolicy(cached.policy), id: cached.id.text,
            fetchedAt: Timestamp(cached.fetchedAt), expiresAt: Timestamp(expiresAt ?? cached.expiresAt),
            applied: isApplied)
    }
}

extension RecordDetails {
    init(_ record: EntryReport.Record) {
        let (outcome, id, text) = Self.details(record.result)
        self.init(
            outcome: outcome, id: id, text: text, at: Timestamp(record.at), freshUntil: Timestamp(record.freshUntil))
    }

    static func details(_ result: RecordResult) -> (outcome: Outcome, id: String?, text: String) {
        switch result {
        case .published(let id): (.published, id.text, "published, id \(id)")
        case .absent(let absence): (.absent, nil, Sanitized.text(absence))
        case .failed(let error): (.failed, nil, "could not find out: \(Sanitized.text(error))")
        }
    }
}

extension FetchFailure {
    init(_ failure: EntryReport.Failure) {
        self.init(
            at: Timestamp(failure.at), id: failure.id.text, type: failure.category.rawValue,
            text: Sanitized.text(failure.failure), count: failure.count)
    }
}

/// Text that other hosts may have influenced, made safe for JSON and a terminal.
enum Sanitized {
    /// Characters: enough for a reason with its servers, too few for a page of HTML.
    static let maximumLength = 500

    static func text(_ value: some CustomStringConvertible) -> String {
        UntrustedText.printable("\(value)", limit: maximumLength)
    }
}

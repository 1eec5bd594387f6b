import Discovery
import MTASTS
import PolicyService

/// What is remembered of one domain.
package struct Entry: WireValue, Equatable {
    package let domain: String
    package let state: String
    package let policy: Policy?
    package let record: Record?
    package let failure: FetchFailed?
    package let failing: Bool
    package let askedAt: Timestamp
    package let refreshAt: Timestamp?
    package let underWay: Bool
    package let inArchiveOnly: Bool

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Entry", "What is remembered of one domain.",
            [
                .always("domain", .text("In its ASCII form, lower-case.")),
                .always("state", EntryLine.state),
                .sometimes("policy", .object(Policy.schema)),
                .sometimes("record", .object(Record.schema)),
                .sometimes("failure", .object(FetchFailed.schema)),
                .always("failing", .flag("The last TXT query or the last fetch failed, and that matters.")),
                .always("askedAt", .time("When Postfix last asked; after a restart to the day.")),
                .sometimes("refreshAt", .time("When the policy is fetched again in the background.")),
                .always("underWay", .flag("A discovery or a refresh is under way.")),
                .always("inArchiveOnly", .flag("The next lookup brings it from the file into memory.")),
            ])
    }
}

/// A policy that is held.
package struct Policy: WireValue, Equatable {
    package let mode: String
    package let id: String
    package let maxAge: Int
    package let mx: [String]
    package let notices: [String]
    package let fetchedAt: Timestamp
    package let expiresAt: Timestamp
    package let applied: Bool

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Policy", "A policy that is held.",
            [
                .always("mode", .word(STSPolicy.Mode.allCases.map(\.rawValue), "Its mode.")),
                .always("id", .text("The id of the TXT record that led to the fetch.")),
                .always("maxAge", .whole("Seconds for which it lives from its fetch on.")),
                .always("mx", .list(.text("A name, or *. and a name."), "The hosts that it allows.")),
                .always("notices", .list(.text("One of them."), "Oddities in it that were tolerated.")),
                .always("fetchedAt", .time("Its last fetch over HTTPS.")),
                .always("expiresAt", .time("When its life is over.")),
                .always("applied", .flag("Whether its life goes on, so that it is applied.")),
            ])
    }
}

/// What DNS last said of a domain's `_mta-sts` record.
package struct Record: WireValue, Equatable {
    package let outcome: String
    package let id: String?
    package let text: String
    package let at: Timestamp
    package let freshUntil: Timestamp

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Record", "What DNS last said of the _mta-sts record.",
            [
                .always("outcome", .word(["published", "absent", "failed"], "failed: could not find out.")),
                .sometimes("id", .text("The published id.")),
                .always("text", .text("The outcome in words.")),
                .always("at", .time("When DNS said so.")),
                .always("freshUntil", .time("After this moment a lookup asks again first.")),
            ])
    }
}

/// The last fetch, which failed.
package struct FetchFailed: WireValue, Equatable {
    package let at: Timestamp
    package let id: String
    package let type: String
    package let text: String
    package let count: Int

    package static var schema: ObjectSchema {
        ObjectSchema(
            "FetchFailed", "The last fetch of the policy, which failed.",
            [
                .always("at", .time("When it ended.")),
                .always("id", .text("The id that was published then.")),
                .always("type", .text("RFC 8460's word for the failure.")),
                .always("text", .text("The failure in words.")),
                .always("count", .whole("Failed fetches since the last good one.")),
            ])
    }
}

extension Entry {
    package init(_ report: EntryReport) {
        domain = report.domain.name.text
        state = report.state.rawValue
        policy = report.policy.map { Policy($0, applied: report.isApplied, expiresAt: report.expiresAt) }
        record = report.record.map(Record.init)
        failure = report.failure.map(FetchFailed.init)
        failing = report.isFailing
        askedAt = Timestamp(report.askedAt)
        refreshAt = report.refreshAt.map(Timestamp.init)
        underWay = report.isUnderWay
        inArchiveOnly = report.isInArchiveOnly
    }
}

extension Policy {
    /// - Parameter expiresAt: `nil`: what follows from its fetch.
    init(_ held: HeldPolicy, applied: Bool, expiresAt: WallTime? = nil) {
        mode = held.policy.mode.rawValue
        id = held.id.text
        maxAge = held.policy.maxAge
        mx = held.policy.mx.map(\.description)
        notices = held.policy.notices.map { RemoteText.printable("\($0)", limit: Shown.longest) }
        fetchedAt = Timestamp(held.fetchedAt)
        self.expiresAt = Timestamp(expiresAt ?? held.expiresAt)
        self.applied = applied
    }
}

extension Record {
    init(_ record: EntryReport.Record) {
        at = Timestamp(record.at)
        freshUntil = Timestamp(record.freshUntil)
        (outcome, id, text) = Self.words(for: record.finding)
    }

    static func words(for finding: RecordFinding) -> (outcome: String, id: String?, text: String) {
        switch finding {
        case .published(let id): ("published", id.text, "published, id \(id)")
        case .absent(let absence): ("absent", nil, Shown.text(absence))
        case .failed(let failure): ("failed", nil, "could not find out: \(Shown.text(failure))")
        }
    }
}

extension FetchFailed {
    init(_ failure: EntryReport.Failure) {
        at = Timestamp(failure.at)
        id = failure.id.text
        type = failure.category.rawValue
        text = Shown.text(failure.failure)
        count = failure.count
    }
}

/// What strangers may have had a hand in, made fit for JSON and a terminal.
enum Shown {
    /// Characters: a reason with its servers fits, a page of HTML does not.
    static let longest = 500

    static func text(_ value: some CustomStringConvertible) -> String {
        RemoteText.printable("\(value)", limit: longest)
    }
}

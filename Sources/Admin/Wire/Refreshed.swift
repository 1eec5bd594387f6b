import Discovery
import MTASTS
import PolicyService

/// What a refresh that the operator ordered has brought.
package struct Refreshed: WireValue, Equatable {
    package let domain: String
    package let outcome: String
    package let text: String
    package let record: String?
    package let state: String
    package let policy: Policy?

    package static let renewed = "renewed"
    package static let changed = "changed"
    package static let noRecord = "no-record"
    package static let recordFailed = "record-failed"
    package static let fetchFailed = "fetch-failed"
    package static let unfinished = "unfinished"

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Refreshed", "What a refresh has brought. The failed and unfinished ones leave in force what is held.",
            [
                .always("domain", .text("In its ASCII form, lower-case.")),
                .always(
                    "outcome",
                    .word(
                        [renewed, changed, noRecord, recordFailed, fetchFailed, unfinished],
                        "renewed: the same policy lives on from now; changed: there is another one.")),
                .always("text", .text("The outcome in words.")),
                .sometimes("record", .text("What DNS said this time.")),
                .always("state", EntryLine.state),
                .sometimes("policy", .object(Policy.schema)),
            ])
    }
}

/// A domain that is forgotten, in memory and in the file.
package struct Forgotten: WireValue, Equatable {
    package let domain: String
    package let kept: Bool
    package let warning: String?

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Forgotten", "A domain of which nothing is remembered any more.",
            [
                .always("domain", .text("In its ASCII form, lower-case.")),
                .always("kept", .flag("Whether the file has forgotten it too; else it may be back after a restart.")),
                .sometimes("warning", .text("Why the file has not.")),
            ])
    }
}

extension Refreshed {
    init(_ result: RefreshResult, of domain: PolicyDomain, now: WallTime) {
        self.domain = domain.name.text
        (outcome, text) = Self.words(for: result.outcome)
        record = result.record.map { Record.words(for: $0).text }
        state = result.standing.state.rawValue
        guard case .policy(let held) = result.standing else {
            policy = nil
            return
        }
        policy = Policy(held, applied: held.applies(at: now))
    }

    private static func words(for outcome: RefreshResult.Outcome) -> (String, String) {
        switch outcome {
        case .renewed(let held): (renewed, "same policy, lives on until \(RFC3339.shown(held.expiresAt))")
        case .changed(nil, let new): (changed, "first policy: \(new.summary)")
        case .changed(let old?, let new): (changed, "was \(old.summary); is \(new.summary)")
        case .noRecord(let absence): (noRecord, Shown.text(absence))
        case .recordFailed(let failure): (recordFailed, Shown.text(failure))
        case .fetchFailed(let failure): (fetchFailed, Shown.text(failure))
        case .unfinished: (unfinished, "the daemon is stopping")
        }
    }
}

extension HeldPolicy {
    /// `enforce, id 1, max_age 604800, mx.example.com,*.example.net`.
    fileprivate var summary: String {
        let names =
            policy.mx.prefix(5).map(\.description) + (policy.mx.count > 5 ? ["and \(policy.mx.count - 5) more"] : [])
        return "\(policy.mode.rawValue), id \(id), max_age \(policy.maxAge), \(names.joined(separator: " "))"
    }
}

extension Standing {
    fileprivate var state: EntryState {
        switch self {
        case .policy(let held):
            switch held.policy.mode {
            case .enforce: .enforce
            case .testing: .testing
            case .none: .none
            }
        case .noPolicy: .noPolicy
        case .unknown: .unknown
        }
    }
}

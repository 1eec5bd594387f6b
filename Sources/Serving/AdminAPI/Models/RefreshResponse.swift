/// The result of a refresh that the operator requested.
package struct RefreshResponse: APIModel, Equatable {
    package enum Outcome: String, APIWord {
        case renewed, changed
        case noRecord = "no-record"
        case recordFailed = "record-failed"
        case fetchFailed = "fetch-failed"
        case unfinished
    }

    package let domain: String
    package let outcome: Outcome
    package let text: String
    package let record: String?
    package let state: DomainState
    package let policy: PolicyDetails?

    package init(
        domain: String, outcome: Outcome, text: String, record: String?, state: DomainState, policy: PolicyDetails?
    ) {
        self.domain = domain
        self.outcome = outcome
        self.text = text
        self.record = record
        self.state = state
        self.policy = policy
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "RefreshResponse",
            summary: "The result of a refresh. If it failed or did not finish, the cached policy still applies.",
            properties: [
                .required("domain", as: .text("In its ASCII form, lower-case.")),
                .required(
                    "outcome",
                    as: .word(
                        Outcome.self, summary: "renewed: the same policy, with a new lifetime; changed: another policy."
                    )),
                .required("text", as: .text("The outcome as a sentence.")),
                .optional("record", as: .text("The answer of DNS this time.")),
                .required("state", as: DomainState.schema),
                .optional("policy", as: .object(PolicyDetails.schema)),
            ])
    }
}

/// A domain that the daemon forgot, in memory and in the cache file.
package struct ForgetResponse: APIModel, Equatable {
    package let domain: String
    package let saved: Bool
    package let warning: String?

    package init(domain: String, saved: Bool, warning: String?) {
        self.domain = domain
        self.saved = saved
        self.warning = warning
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "ForgetResponse", summary: "A domain that the daemon forgot.",
            properties: [
                .required("domain", as: .text("In its ASCII form, lower-case.")),
                .required(
                    "saved",
                    as: .flag("Whether the cache file forgot it too; otherwise it may come back after a restart.")),
                .optional("warning", as: .text("Why the cache file did not.")),
            ])
    }
}

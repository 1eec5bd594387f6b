/// What the cache knows of one domain.
package struct EntryResponse: APIModel, Equatable {
    package let domain: String
    package let state: DomainState
    package let policy: PolicyDetails?
    package let record: RecordDetails?
    package let failure: FetchFailure?
    package let failing: Bool
    package let lastLookupAt: Timestamp
    package let refreshAt: Timestamp?
    package let inProgress: Bool
    package let storeOnly: Bool

    package init(
        domain: String, state: DomainState, policy: PolicyDetails?, record: RecordDetails?, failure: FetchFailure?,
        failing: Bool, lastLookupAt: Timestamp, refreshAt: Timestamp?, inProgress: Bool, storeOnly: Bool
    ) {
        self.domain = domain
        self.state = state
        self.policy = policy
        self.record = record
        self.failure = failure
        self.failing = failing
        self.lastLookupAt = lastLookupAt
        self.refreshAt = refreshAt
        self.inProgress = inProgress
        self.storeOnly = storeOnly
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "EntryResponse", summary: "What the cache knows of one domain.",
            properties: [
                .required("domain", as: .text("In its ASCII form, lower-case.")),
                .required("state", as: DomainState.schema),
                .optional("policy", as: .object(PolicyDetails.schema)),
                .optional("record", as: .object(RecordDetails.schema)),
                .optional("failure", as: .object(FetchFailure.schema)),
                .required("failing", as: .flag("The last TXT query or the last fetch failed, and that matters.")),
                .required("lastLookupAt", as: .time("The last lookup of Postfix; after a restart to the day.")),
                .optional("refreshAt", as: .time("When the background refresh fetches the policy again.")),
                .required("inProgress", as: .flag("A discovery or a refresh is in progress.")),
                .required("storeOnly", as: .flag("Only the cache file has it; the next lookup reads it into memory.")),
            ])
    }
}

/// The last answer of DNS about a domain's `_mta-sts` record.
package struct RecordDetails: APIModel, Equatable {
    package enum Outcome: String, APIWord {
        case published, absent
        /// Could not find out.
        case failed
    }

    package let outcome: Outcome
    package let id: String?
    package let text: String
    package let at: Timestamp
    package let freshUntil: Timestamp

    package init(outcome: Outcome, id: String?, text: String, at: Timestamp, freshUntil: Timestamp) {
        self.outcome = outcome
        self.id = id
        self.text = text
        self.at = at
        self.freshUntil = freshUntil
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "RecordDetails", summary: "The last answer of DNS about the _mta-sts record.",
            properties: [
                .required("outcome", as: .word(Outcome.self, summary: "failed: could not find out.")),
                .optional("id", as: .text("The published id.")),
                .required("text", as: .text("The outcome as a sentence.")),
                .required("at", as: .time("When DNS answered.")),
                .required("freshUntil", as: .time("After this time a lookup queries the record first.")),
            ])
    }
}

/// The last fetch, which failed.
package struct FetchFailure: APIModel, Equatable {
    package let at: Timestamp
    package let id: String
    package let type: String
    package let text: String
    package let count: Int

    package init(at: Timestamp, id: String, type: String, text: String, count: Int) {
        self.at = at
        self.id = id
        self.type = type
        self.text = text
        self.count = count
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "FetchFailure", summary: "The last fetch of the policy, which failed.",
            properties: [
                .required("at", as: .time("When it ended.")),
                .required("id", as: .text("The id that was published then.")),
                .required("type", as: .text("RFC 8460's word for the failure.")),
                .required("text", as: .text("The failure as a sentence.")),
                .required("count", as: .integer("Failed fetches since the last good one.")),
            ])
    }
}

/// What the cache knows of a domain, in one word.
package enum DomainState: String, APIWord {
    case enforce, testing, none
    case noPolicy = "no-policy"
    case unknown

    static let schema = Schema.word(
        DomainState.self,
        summary: "The mode of its policy; no-policy: it has none; unknown: could not find out, and no policy is cached."
    )
}

/// How a list of domains is sorted.
package enum EntrySort: String, APIWord {
    case none, domain, expiry, fetched, asked
}

/// One domain in a list: the values that operators ask for first, of the same size for each domain.
package struct EntrySummary: APIModel, Equatable {
    package let domain: String
    package let state: DomainState
    package let id: String?
    package let fetchedAt: Timestamp?
    package let expiresAt: Timestamp?
    package let refreshAt: Timestamp?
    package let lastLookupAt: Timestamp
    package let failing: Bool
    package let failure: String?

    package init(
        domain: String, state: DomainState, id: String?, fetchedAt: Timestamp?, expiresAt: Timestamp?,
        refreshAt: Timestamp?, lastLookupAt: Timestamp, failing: Bool, failure: String?
    ) {
        self.domain = domain
        self.state = state
        self.id = id
        self.fetchedAt = fetchedAt
        self.expiresAt = expiresAt
        self.refreshAt = refreshAt
        self.lastLookupAt = lastLookupAt
        self.failing = failing
        self.failure = failure
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "EntrySummary", summary: "One domain in a list; /v1/entries/{domain} has all of it.",
            properties: [
                .required("domain", as: .text("In its ASCII form, lower-case.")),
                .required("state", as: DomainState.schema),
                .optional("id", as: .text("Of the cached policy.")),
                .optional("fetchedAt", as: .time("The policy's last fetch.")),
                .optional("expiresAt", as: .time("When the policy expires.")),
                .optional("refreshAt", as: .time("When the background refresh fetches the policy again.")),
                .required("lastLookupAt", as: .time("The last lookup of Postfix; after a restart to the day.")),
                .required("failing", as: .flag("The last TXT query or the last fetch failed, and that matters.")),
                .optional("failure", as: .text("The last failure.")),
            ])
    }
}

/// One page of the list.
package struct EntryListResponse: APIModel, Equatable {
    /// Entries in one page at most.
    package static let maximumLimit = 1_000

    package let entries: [EntrySummary]
    package let next: String?

    package init(entries: [EntrySummary], next: String?) {
        self.entries = entries
        self.next = next
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "EntryListResponse", summary: "One page of the list of domains.",
            properties: [
                .required("entries", as: .list(.object(EntrySummary.schema), "In the requested order.")),
                .optional("next", as: .text("The value of after for the next page; missing in the last one.")),
            ])
    }
}

/// Why a destination gets its reply, and what happens next.
package struct ExplainResponse: APIModel, Equatable {
    package let key: String
    package let domain: String
    package let port: Int?
    package let host: Bool
    package let at: Timestamp
    package let answer: Answer
    package let suppressed: Answer?
    package let dialect: String
    package let override: OverrideResponse?
    package let observeMode: ObserveModeResponse
    package let knowledge: PolicyKnowledge
    package let entry: EntryResponse?
    package let next: NextLookupDetails
    package let storeFailure: String?
    package let dane: DANEDetails?
    package let failures: [FailureEvent]
    package let lookups: [LookupEvent]
    package var live: QueryReport?
    package var differences: [Difference]?

    package init(
        key: String, domain: String, port: Int?, host: Bool, at: Timestamp, answer: Answer, suppressed: Answer?,
        dialect: String, override: OverrideResponse?, observeMode: ObserveModeResponse, knowledge: PolicyKnowledge,
        entry: EntryResponse?, next: NextLookupDetails, storeFailure: String?, dane: DANEDetails?,
        failures: [FailureEvent], lookups: [LookupEvent], live: QueryReport? = nil, differences: [Difference]? = nil
    ) {
        self.key = key
        self.domain = domain
        self.port = port
        self.host = host
        self.at = at
        self.answer = answer
        self.suppressed = suppressed
        self.dialect = dialect
        self.override = override
        self.observeMode = observeMode
        self.knowledge = knowledge
        self.entry = entry
        self.next = next
        self.storeFailure = storeFailure
        self.dane = dane
        self.failures = failures
        self.lookups = lookups
        self.live = live
        self.differences = differences
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "ExplainResponse", summary: "Why a destination gets its reply, and what happens next.",
            properties: [
                .required("key", as: .text("The requested key.")),
                .required("domain", as: .text("The domain whose policy applies.")),
                .optional("port", as: .integer("Of the destination; missing: its service name is unknown.")),
                .required("host", as: .flag("A smart host: no MX lookup is made.")),
                .required("at", as: .time("The time at which this holds.")),
                .required("answer", as: .object(Answer.schema)),
                .optional("suppressed", as: .object(Answer.schema)),
                .required("dialect", as: .text("The reply syntax for clients that choose none.")),
                .optional("override", as: .object(OverrideResponse.schema)),
                .required("observeMode", as: .object(ObserveModeResponse.schema)),
                .required("knowledge", as: .object(PolicyKnowledge.schema)),
                .optional("entry", as: .object(EntryResponse.schema)),
                .required("next", as: .object(NextLookupDetails.schema)),
                .optional("storeFailure", as: .text("Why the cache file could not be read.")),
                .optional("dane", as: .object(DANEDetails.schema)),
                .required("failures", as: .list(.object(FailureEvent.schema), "The last ones, newest first.")),
                .required(
                    "lookups", as: .list(.object(LookupEvent.schema), "The last ones of this domain, newest first.")),
                .optional("live", as: .object(QueryReport.schema)),
                .optional(
                    "differences",
                    as: .list(.object(Difference.schema), "Where a fresh discovery differs; empty: nowhere.")),
            ])
    }
}

/// The rows of the decision table.
package enum DecisionRule: String, APIWord {
    case observe, exempt, pin, dane
    case danePartial = "dane-partial"
    case daneUnknown = "dane-unknown"
    case enforce, testing, none
    case noPolicy = "no-policy"
    case unknown
    /// The key names no domain that can have a policy. Only a query has it.
    case noPolicyDomain = "no-policy-domain"
}

/// The reply to Postfix, and the rule behind it.
package struct Answer: APIModel, Equatable {
    package let rule: DecisionRule
    package let section: String?
    package let reason: String
    package let replies: [String: String]

    package init(rule: DecisionRule, section: String?, reason: String, replies: [String: String]) {
        self.rule = rule
        self.section = section
        self.reason = reason
        self.replies = replies
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Answer", summary: "The reply to Postfix, and the reason.",
            properties: [
                .required("rule", as: .word(DecisionRule.self, summary: "The row of the decision table.")),
                .optional("section", as: .text("The section of the standard behind the rule.")),
                .required("reason", as: .text("A sentence.")),
                .required("replies", as: .map(.text("As over socketmap."), "The reply in each dialect.")),
            ])
    }
}

/// What is known of the domain's policy, as a word and as a sentence.
package struct PolicyKnowledge: APIModel, Equatable {
    package let outcome: PolicyOutcome
    package let text: String

    package init(outcome: PolicyOutcome, text: String) {
        self.outcome = outcome
        self.text = text
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "PolicyKnowledge", summary: "What is known of the domain's policy.",
            properties: [
                .required("outcome", as: .word(PolicyOutcome.self, summary: "unknown: could not find out.")),
                .required("text", as: .text("The outcome as a sentence.")),
            ])
    }
}

/// The first step of the next lookup.
package struct NextLookupDetails: APIModel, Equatable {
    package enum Action: String, APIWord {
        case answer, join
        case readStore = "read-store"
        case queryRecord = "query-record"
        case fetch
    }

    package let action: Action
    package let until: Timestamp?
    package let id: String?

    package init(action: Action, until: Timestamp? = nil, id: String? = nil) {
        self.action = action
        self.until = until
        self.id = id
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "NextLookupDetails", summary: "The first step of the domain's next lookup.",
            properties: [
                .required(
                    "action", as: .word(Action.self, summary: "join: it waits for the discovery that is in progress.")),
                .optional("until", as: .time("Until then a lookup is answered from memory.")),
                .optional("id", as: .text("Of the policy that it fetches.")),
            ])
    }
}

/// Something that could not be found out.
package struct FailureEvent: APIModel, Equatable {
    package enum Kind: String, APIWord {
        case record, policy, dane
    }

    package let at: Timestamp
    package let kind: Kind
    package let text: String

    package init(at: Timestamp, kind: Kind, text: String) {
        self.at = at
        self.kind = kind
        self.text = text
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "FailureEvent", summary: "Something that could not be found out.",
            properties: [
                .required("at", as: .time("When.")),
                .required("kind", as: .word(Kind.self, summary: "The TXT query, the fetch, a DNS query for DANE.")),
                .required("text", as: .text("The question and how it failed.")),
            ])
    }
}

/// A lookup of Postfix and its reply.
package struct LookupEvent: APIModel, Equatable {
    package let at: Timestamp
    package let rule: DecisionRule
    package let reply: String
    package let port: Int?
    package let host: Bool

    package init(at: Timestamp, rule: DecisionRule, reply: String, port: Int?, host: Bool) {
        self.at = at
        self.rule = rule
        self.reply = reply
        self.port = port
        self.host = host
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "LookupEvent", summary: "A lookup of Postfix and its reply.",
            properties: [
                .required("at", as: .time("When it was answered.")),
                .required("rule", as: .word(DecisionRule.self, summary: "The row of the decision table.")),
                .required("reply", as: .text("In one word.")),
                .optional("port", as: .integer("Of the destination; missing: its service name is unknown.")),
                .required("host", as: .flag("A smart host.")),
            ])
    }
}

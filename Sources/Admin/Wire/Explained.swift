import PolicyService

/// Why a destination is answered as it is, and what happens next.
package struct Explained: WireValue, Equatable {
    package let key: String
    package let domain: String
    package let port: Int?
    package let host: Bool
    package let at: Timestamp
    package let answer: Answer
    package let withheld: Answer?
    package let dialect: String
    package let order: Order?
    package let observation: Observation
    package let known: Known
    package let entry: Entry?
    package let next: Next
    package let archiveFailure: String?
    package let dane: DANEFound?
    package let failures: [PastFailure]
    package let lookups: [PastLookup]
    package let live: QueryReport?
    package let differences: [Difference]?

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Explained", "Why a destination is answered as it is, and what happens next.",
            [
                .always("key", .text("As it was asked for.")),
                .always("domain", .text("Whose policy applies.")),
                .sometimes("port", .whole("Of the destination; missing: its service name is unknown.")),
                .always("host", .flag("A smart host: no MX lookup is made.")),
                .always("at", .time("The moment for which this holds.")),
                .always("answer", .object(Answer.schema)),
                .sometimes("withheld", .object(Answer.schema)),
                .always("dialect", .text("The words for clients that choose none.")),
                .sometimes("order", .object(Order.schema)),
                .always("observation", .object(Observation.schema)),
                .always("known", .object(Known.schema)),
                .sometimes("entry", .object(Entry.schema)),
                .always("next", .object(Next.schema)),
                .sometimes("archiveFailure", .text("Why the file could not be looked into.")),
                .sometimes("dane", .object(DANEFound.schema)),
                .always("failures", .list(.object(PastFailure.schema), "The last ones, newest first.")),
                .always("lookups", .list(.object(PastLookup.schema), "The last ones of this domain, newest first.")),
                .sometimes("live", .object(QueryReport.schema)),
                .sometimes(
                    "differences",
                    .list(.object(Difference.schema), "What a fresh discovery says otherwise; empty: nothing.")),
            ])
    }
}

/// What Postfix is told, and by which rule.
package struct Answer: WireValue, Equatable {
    package let rule: String
    package let section: String?
    package let why: String
    package let replies: [String: String]

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Answer", "What Postfix is told, and why.",
            [
                .always("rule", .word(Decision.Rule.allCases.map(\.rawValue), "The row of the decision table.")),
                .sometimes("section", .text("Where the standard says so.")),
                .always("why", .text("In a sentence.")),
                .always("replies", .map(.text("As over socketmap."), "The reply in each dialect.")),
            ])
    }
}

/// What is known of the domain's policy, in one word and in words.
package struct Known: WireValue, Equatable {
    package let outcome: String
    package let text: String

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Known", "What is known of the domain's policy.",
            [
                .always("outcome", .word(["policy", "no-policy", "unknown"], "unknown: could not find out.")),
                .always("text", .text("In words.")),
            ])
    }
}

/// What the next lookup does.
package struct Next: WireValue, Equatable {
    package let action: String
    package let until: Timestamp?
    package let id: String?

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Next", "What the next lookup of the domain does.",
            [
                .always(
                    "action", .word(["answer", "join", "read-archive", "ask-record", "fetch"], "What it begins with.")),
                .sometimes("until", .time("Up to this moment it is answered with nothing to find out.")),
                .sometimes("id", .text("Of the policy that it fetches.")),
            ])
    }
}

/// What DANE means for the destination, as it is remembered.
package struct DANEFound: WireValue, Equatable {
    package let coverage: String
    package let reason: String?
    package let mx: String?
    package let mxAnswer: String?
    package let hosts: [DANEHost]
    package let at: Timestamp?
    package let freshUntil: Timestamp?
    package let underWay: Bool

    package static var schema: ObjectSchema {
        ObjectSchema(
            "DANEFound", "What DANE means for the destination, as it is remembered.",
            [
                .always(
                    "coverage",
                    .word(
                        ["off", "complete", "partial", "unknown", "not-applicable"],
                        "complete: wherever mail can go, DANE authenticates it.")),
                .sometimes("reason", .text("What could not be found out.")),
                .sometimes("mx", .text("The MX set, and how sure it is.")),
                .sometimes("mxAnswer", .text("The answer of DNS.")),
                .always("hosts", .list(.object(DANEHost.schema), "In the order of their preferences.")),
                .sometimes("at", .time("When it was found.")),
                .sometimes("freshUntil", .time("After this moment a lookup asks again first.")),
                .always("underWay", .flag("A discovery is under way.")),
            ])
    }
}

/// What is known of one MX host.
package struct DANEHost: WireValue, Equatable {
    package let name: String
    package let judgement: String
    package let answers: [String]

    package init(name: String, judgement: String, answers: [String]) {
        self.name = name
        self.judgement = judgement
        self.answers = answers
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "DANEHost", "What DANE means for one MX host.",
            [
                .always("name", .text("As in the MX record.")),
                .always("judgement", .text("With the section of the standard.")),
                .always(
                    "answers", .list(.text("Secure, insecure, or how it failed."), "Each answer of DNS; may be gone.")),
            ])
    }
}

/// Something that could not be found out.
package struct PastFailure: WireValue, Equatable {
    package let at: Timestamp
    package let what: String
    package let text: String

    package static var schema: ObjectSchema {
        ObjectSchema(
            "PastFailure", "Something that could not be found out.",
            [
                .always("at", .time("When.")),
                .always("what", .word(["record", "policy", "dane"], "The TXT query, the fetch, a question for DANE.")),
                .always("text", .text("The question and how it failed.")),
            ])
    }
}

/// A lookup and its reply.
package struct PastLookup: WireValue, Equatable {
    package let at: Timestamp
    package let rule: String
    package let reply: String
    package let port: Int?
    package let host: Bool

    package static var schema: ObjectSchema {
        ObjectSchema(
            "PastLookup", "A lookup of Postfix's, and its reply.",
            [
                .always("at", .time("When it was answered.")),
                .always("rule", .text("The row of the decision table.")),
                .always("reply", .text("In one word.")),
                .sometimes("port", .whole("Of the destination; missing: its service name is unknown.")),
                .always("host", .flag("A smart host.")),
            ])
    }
}

/// One thing of which a fresh discovery says something else than is remembered.
package struct Difference: WireValue, Equatable {
    package let what: String
    package let served: String
    package let live: String

    package init(what: String, served: String, live: String) {
        self.what = what
        self.served = served
        self.live = live
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Difference", "What a fresh discovery says otherwise.",
            [
                .always("what", .text("rule, reply, id, mode, max_age, mx, policy or dane.")),
                .always("served", .text("What is remembered, and answered.")),
                .always("live", .text("What the world says now.")),
            ])
    }
}

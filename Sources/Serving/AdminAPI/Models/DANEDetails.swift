/// What DANE means for a destination, according to the cache.
package struct DANEDetails: APIModel, Equatable {
    package enum Coverage: String, APIWord {
        case off, complete, partial, unknown
        case notApplicable = "not-applicable"
    }

    package let coverage: Coverage
    package let reason: String?
    package let mx: String?
    package let mxAnswer: String?
    package let hosts: [DANEHost]
    package let at: Timestamp?
    package let freshUntil: Timestamp?
    package let inProgress: Bool

    package init(
        coverage: Coverage, reason: String?, mx: String?, mxAnswer: String?, hosts: [DANEHost], at: Timestamp?,
        freshUntil: Timestamp?, inProgress: Bool
    ) {
        self.coverage = coverage
        self.reason = reason
        self.mx = mx
        self.mxAnswer = mxAnswer
        self.hosts = hosts
        self.at = at
        self.freshUntil = freshUntil
        self.inProgress = inProgress
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "DANEDetails", summary: "What DANE means for the destination, according to the cache.",
            properties: [
                .required(
                    "coverage", as: .word(Coverage.self, summary: "complete: DANE authenticates every possible host.")),
                .optional("reason", as: .text("What could not be found out.")),
                .optional("mx", as: .text("The MX set, and whether DNSSEC secures it.")),
                .optional("mxAnswer", as: .text("The answer of DNS.")),
                .required("hosts", as: .list(.object(DANEHost.schema), "In the order of their preferences.")),
                .optional("at", as: .time("When this was found.")),
                .optional("freshUntil", as: .time("After this time a lookup queries DNS first.")),
                .required("inProgress", as: .flag("A discovery is in progress.")),
            ])
    }
}

/// What DANE means for one MX host.
package struct DANEHost: APIModel, Equatable {
    package let name: String
    package let status: String
    package let answers: [String]

    package init(name: String, status: String, answers: [String]) {
        self.name = name
        self.status = status
        self.answers = answers
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "DANEHost", summary: "What DANE means for one MX host.",
            properties: [
                .required("name", as: .text("From the MX record.")),
                .required("status", as: .text("With the section of the standard.")),
                .required(
                    "answers",
                    as: .list(
                        .text("Secure, insecure, or how it failed."),
                        "Each answer of DNS; empty when the daemon no longer has them.")),
            ])
    }
}

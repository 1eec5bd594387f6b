/// The mode of a policy (RFC 8461 §3.2).
package enum PolicyMode: String, APIWord {
    case testing, enforce, none
}

/// What is known of a domain's policy.
package enum PolicyOutcome: String, APIWord {
    case policy
    case noPolicy = "no-policy"
    /// Could not find out.
    case unknown
}

/// A cached policy.
package struct PolicyDetails: APIModel, Equatable {
    package let mode: PolicyMode
    package let id: String
    package let maxAge: Int
    package let mx: [String]
    package let warnings: [String]
    package let fetchedAt: Timestamp
    package let expiresAt: Timestamp
    package let applied: Bool

    package init(
        mode: PolicyMode, id: String, maxAge: Int, mx: [String], warnings: [String], fetchedAt: Timestamp,
        expiresAt: Timestamp, applied: Bool
    ) {
        self.mode = mode
        self.id = id
        self.maxAge = maxAge
        self.mx = mx
        self.warnings = warnings
        self.fetchedAt = fetchedAt
        self.expiresAt = expiresAt
        self.applied = applied
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "PolicyDetails", summary: "A cached policy.",
            properties: [
                .required("mode", as: .word(PolicyMode.self, summary: "Its mode.")),
                .required("id", as: .text("The id of the TXT record that led to the fetch.")),
                .required("maxAge", as: .integer("Lifetime in seconds, from its fetch on.")),
                .required("mx", as: .list(.text("A name, or *. and a name."), "The hosts that it allows.")),
                .required(
                    "warnings", as: .list(.text("One warning."), "Deviations from RFC 8461 that were tolerated.")),
                .required("fetchedAt", as: .time("Its last fetch over HTTPS.")),
                .required("expiresAt", as: .time("When it expires.")),
                .required("applied", as: .flag("Whether it applies: it has not expired.")),
            ])
    }
}

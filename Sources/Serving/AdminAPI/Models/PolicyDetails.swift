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

/// The content of a policy, as its domain publishes it.
package struct PublishedPolicy: APIModel, Equatable {
    package let mode: PolicyMode
    package let maxAge: Int
    package let mx: [String]
    package let warnings: [String]

    package init(mode: PolicyMode, maxAge: Int, mx: [String], warnings: [String]) {
        self.mode = mode
        self.maxAge = maxAge
        self.mx = mx
        self.warnings = warnings
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "QueryPolicy", summary: "The policy that is published now.",
            properties: properties(maxAge: .integer("Seconds.")))
    }

    fileprivate static func properties(maxAge: Schema) -> [ObjectSchema.Property] {
        [
            .required("mode", as: .word(PolicyMode.self, summary: "Its mode.")),
            .required("maxAge", as: maxAge),
            .required("mx", as: .list(.text("A name, or *. and a name."), "The hosts that it allows.")),
            .required("warnings", as: .list(.text("One warning."), "Deviations from RFC 8461 that were tolerated.")),
        ]
    }
}

/// A cached policy. In JSON the content and the other properties are one object.
package struct PolicyDetails: APIModel, Equatable {
    package let published: PublishedPolicy
    package let id: String
    package let fetchedAt: Timestamp
    package let expiresAt: Timestamp
    package let applied: Bool

    package init(
        _ published: PublishedPolicy, id: String, fetchedAt: Timestamp, expiresAt: Timestamp, applied: Bool
    ) {
        self.published = published
        self.id = id
        self.fetchedAt = fetchedAt
        self.expiresAt = expiresAt
        self.applied = applied
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "PolicyDetails", summary: "A cached policy.",
            properties: PublishedPolicy.properties(maxAge: .integer("Lifetime in seconds, from its fetch on.")) + [
                .required("id", as: .text("The id of the TXT record that led to the fetch.")),
                .required("fetchedAt", as: .time("Its last fetch over HTTPS.")),
                .required("expiresAt", as: .time("When it expires.")),
                .required("applied", as: .flag("Whether it applies: it has not expired.")),
            ])
    }
}

extension PolicyDetails {
    private enum CodingKeys: CodingKey {
        case id, fetchedAt, expiresAt, applied
    }

    package init(from decoder: any Decoder) throws {
        let properties = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            try PublishedPolicy(from: decoder), id: try properties.decode(String.self, forKey: .id),
            fetchedAt: try properties.decode(Timestamp.self, forKey: .fetchedAt),
            expiresAt: try properties.decode(Timestamp.self, forKey: .expiresAt),
            applied: try properties.decode(Bool.self, forKey: .applied))
    }

    package func encode(to encoder: any Encoder) throws {
        try published.encode(to: encoder)
        var properties = encoder.container(keyedBy: CodingKeys.self)
        try properties.encode(id, forKey: .id)
        try properties.encode(fetchedAt, forKey: .fetchedAt)
        try properties.encode(expiresAt, forKey: .expiresAt)
        try properties.encode(applied, forKey: .applied)
    }
}

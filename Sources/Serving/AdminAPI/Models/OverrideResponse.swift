/// The kinds of override.
package enum OverrideKind: String, APIWord {
    case exempt, pin
}

/// The reply to Postfix for an exempted domain.
package enum ExemptionReply: String, APIWord {
    case notFound = "not-found"
    case may

    static let schema = Schema.word(
        ExemptionReply.self,
        summary: "The reply to Postfix: not-found, or may, which also replaces Postfix's own level and DANE.")
}

/// The operator's override of one domain: an exemption, or a pin.
package struct OverrideResponse: APIModel, Equatable {
    package let domain: String
    package let kind: OverrideKind
    package let `as`: ExemptionReply?
    package let match: [String]?
    package let reason: String
    package let author: String
    package let since: Timestamp
    package let until: Timestamp?

    package init(
        domain: String, kind: OverrideKind, as reply: ExemptionReply?, match: [String]?, reason: String,
        author: String, since: Timestamp, until: Timestamp?
    ) {
        self.domain = domain
        self.kind = kind
        self.as = reply
        self.match = match
        self.reason = reason
        self.author = author
        self.since = since
        self.until = until
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "OverrideResponse", summary: "The operator's override of one domain.",
            properties: [
                .required("domain", as: .text("This domain only, not its subdomains.")),
                .required(
                    "kind",
                    as: .word(OverrideKind.self, summary: "exempt: no policy applies; pin: a policy always applies.")),
                .optional("as", as: ExemptionReply.schema),
                .optional("match", as: .list(.text("mx.example.com or *.example.com."), "The names of a pin.")),
                .required("reason", as: .text("The operator's reason.")),
                .required("author", as: .text("The user who set it, according to the kernel.")),
                .required("since", as: .time("When it was set.")),
                .optional("until", as: .time("When it ends by itself.")),
            ])
    }
}

/// A request to exempt a domain.
package struct ExemptionRequest: APIModel, Equatable {
    package let reason: String
    package let until: Timestamp?
    package let `as`: ExemptionReply?

    package init(reason: String, until: Timestamp? = nil, as reply: ExemptionReply? = nil) {
        self.reason = reason
        self.until = until
        self.as = reply
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "ExemptionRequest", summary: "A request to exempt a domain.",
            properties: [
                .required("reason", as: OverrideResponse.reason),
                .optional("until", as: OverrideResponse.end),
                .optional("as", as: ExemptionReply.schema),
            ])
    }
}

/// A request to pin a domain.
package struct PinRequest: APIModel, Equatable {
    package let reason: String
    package let until: Timestamp?
    package let match: [String]?

    package init(reason: String, until: Timestamp? = nil, match: [String]? = nil) {
        self.reason = reason
        self.until = until
        self.match = match
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "PinRequest", summary: "A request to pin a domain: its mail goes to authenticated hosts only.",
            properties: [
                .required("reason", as: OverrideResponse.reason),
                .optional("until", as: OverrideResponse.end),
                .optional(
                    "match",
                    as: .list(
                        .text("mx.example.com or *.example.com."),
                        "Names of its MX hosts; empty or missing: those of its policy.")),
            ])
    }
}

extension OverrideResponse {
    /// Characters in a reason at most.
    package static let maximumReason = 200

    fileprivate static let reason = Schema.text("1 to \(maximumReason) printable characters.")
    fileprivate static let end = Schema.time("When it ends by itself; missing: when it is removed.")
}

/// All overrides of one kind.
package struct OverrideListResponse: APIModel, Equatable {
    package let overrides: [OverrideResponse]

    package init(overrides: [OverrideResponse]) {
        self.overrides = overrides
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "OverrideListResponse", summary: "All overrides of one kind, by domain.",
            properties: [.required("overrides", as: .list(.object(OverrideResponse.schema), "Those in force."))])
    }
}

/// An override that was set or removed. The change is in force at once, saved or not.
package struct OverrideChangeResponse: APIModel, Equatable {
    package let override: OverrideResponse
    package let replaced: OverrideResponse?
    package let saved: Bool
    package let warning: String?

    package init(override: OverrideResponse, replaced: OverrideResponse?, saved: Bool, warning: String?) {
        self.override = override
        self.replaced = replaced
        self.saved = saved
        self.warning = warning
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "OverrideChangeResponse", summary: "An override that was set or removed; in force at once.",
            properties: [
                .required("override", as: .object(OverrideResponse.schema)),
                .optional("replaced", as: .object(OverrideResponse.schema)),
                .required("saved", as: .flag("Whether the cache file has this change; otherwise a restart loses it.")),
                .optional("warning", as: .text("Why the cache file does not have it.")),
            ])
    }
}

/// The steps and results of one live discovery. Untrusted text is escaped.
package struct QueryReport: APIModel, Equatable {
    package struct Record: APIModel, Equatable {
        package let name: String
        package let id: String?
        package let result: String
        package let ttl: UInt32
        package let aliases: Int
        package let milliseconds: Double

        package init(name: String, id: String?, result: String, ttl: UInt32, aliases: Int, milliseconds: Double) {
            self.name = name
            self.id = id
            self.result = result
            self.ttl = ttl
            self.aliases = aliases
            self.milliseconds = milliseconds
        }

        package static var schema: ObjectSchema {
            ObjectSchema(
                "QueryRecord", summary: "The TXT query.",
                properties: [
                    .required("name", as: .text("The requested name.")),
                    .optional("id", as: .text("The id, if a record is published.")),
                    .required("result", as: .text("The result as a sentence.")),
                    .required("ttl", as: .integer("Seconds.")),
                    .required("aliases", as: .integer("CNAME records that were followed.")),
                    .required("milliseconds", as: .number("How long it took.")),
                ])
        }
    }

    package struct PolicyHost: APIModel, Equatable {
        package let name: String
        package let addresses: [String]
        package let notTried: [String]
        package let refused: [String]
        package let milliseconds: Double

        package init(
            name: String, addresses: [String], notTried: [String], refused: [String], milliseconds: Double
        ) {
            self.name = name
            self.addresses = addresses
            self.notTried = notTried
            self.refused = refused
            self.milliseconds = milliseconds
        }

        package static var schema: ObjectSchema {
            ObjectSchema(
                "QueryPolicyHost", summary: "The addresses of the policy host.",
                properties: [
                    .required("name", as: .text("mta-sts. and the domain.")),
                    .required(
                        "addresses",
                        as: .list(
                            .text("An address."), "Those that the fetch tries: the first 4 of each address family.")),
                    .required(
                        "notTried", as: .list(.text("An address."), "Further addresses, which the fetch does not try.")),
                    .required(
                        "refused",
                        as: .list(
                            .text("An address."),
                            "Loopback, private, link-local and similar addresses, which the fetch must not try.")),
                    .required("milliseconds", as: .number("How long it took.")),
                ])
        }
    }

    package struct Fetch: APIModel, Equatable {
        package let url: String
        package let address: String?
        package let httpVersion: String?
        package let milliseconds: Double
        package let certificate: String
        package let issuer: String?
        package let notAfter: String?
        package let failure: String?
        package let failureType: String?

        package init(
            url: String, address: String?, httpVersion: String?, milliseconds: Double, certificate: String,
            issuer: String?, notAfter: String?, failure: String?, failureType: String?
        ) {
            self.url = url
            self.address = address
            self.httpVersion = httpVersion
            self.milliseconds = milliseconds
            self.certificate = certificate
            self.issuer = issuer
            self.notAfter = notAfter
            self.failure = failure
            self.failureType = failureType
        }

        package static var schema: ObjectSchema {
            ObjectSchema(
                "QueryFetch", summary: "The HTTPS request.",
                properties: [
                    .required("url", as: .text("The requested name.")),
                    .optional("address", as: .text("The address that answered.")),
                    .optional("httpVersion", as: .text("How it answered.")),
                    .required("milliseconds", as: .number("How long it took.")),
                    .required("certificate", as: .text("valid, not seen, or invalid and why.")),
                    .optional("issuer", as: .text("Of the certificate.")),
                    .optional("notAfter", as: .text("The end of the certificate's validity.")),
                    .optional("failure", as: .text("The failure as a sentence, if there is no policy.")),
                    .optional("failureType", as: .text("RFC 8460's word for the failure.")),
                ])
        }
    }

    package struct DANE: APIModel, Equatable {
        package let mx: String
        package let mxAnswer: String?
        package let hosts: [DANEHost]
        /// `nil`: everything could be found out.
        package let unknown: String?
        package let milliseconds: Double

        package init(mx: String, mxAnswer: String?, hosts: [DANEHost], unknown: String?, milliseconds: Double) {
            self.mx = mx
            self.mxAnswer = mxAnswer
            self.hosts = hosts
            self.unknown = unknown
            self.milliseconds = milliseconds
        }

        package static var schema: ObjectSchema {
            ObjectSchema(
                "QueryDANE", summary: "What DANE means for the destination.",
                properties: [
                    .required("mx", as: .text("The MX set, and whether DNSSEC secures it.")),
                    .optional("mxAnswer", as: .text("The answer of DNS.")),
                    .required("hosts", as: .list(.object(DANEHost.schema), "In the order of their preferences.")),
                    .optional("unknown", as: .text("What could not be found out.")),
                    .required("milliseconds", as: .number("How long it took.")),
                ])
        }
    }

    package let key: String
    package let domain: String?
    package let outcome: PolicyOutcome
    package let record: Record?
    package let policyHost: PolicyHost?
    package let fetch: Fetch?
    package let policy: PublishedPolicy?
    /// `nil`: DANE lookups are off.
    package let dane: DANE?
    package let rule: DecisionRule
    /// The reply over socketmap, without the netstring around it.
    package let reply: String
    package let dialect: String

    package init(
        key: String, domain: String?, outcome: PolicyOutcome, record: Record? = nil, policyHost: PolicyHost? = nil,
        fetch: Fetch? = nil, policy: PublishedPolicy? = nil, dane: DANE? = nil, rule: DecisionRule, reply: String,
        dialect: String
    ) {
        self.key = key
        self.domain = domain
        self.outcome = outcome
        self.record = record
        self.policyHost = policyHost
        self.fetch = fetch
        self.policy = policy
        self.dane = dane
        self.rule = rule
        self.reply = reply
        self.dialect = dialect
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "QueryReport", summary: "The result of a discovery made now, and the reply that follows from it alone.",
            properties: [
                .required("key", as: .text("The requested key.")),
                .optional("domain", as: .text("The domain whose policy applies.")),
                .required("outcome", as: .word(PolicyOutcome.self, summary: "unknown: could not find out.")),
                .optional("record", as: .object(Record.schema)),
                .optional("policyHost", as: .object(PolicyHost.schema)),
                .optional("fetch", as: .object(Fetch.schema)),
                .optional("policy", as: .object(PublishedPolicy.schema)),
                .optional("dane", as: .object(DANE.schema)),
                .required("rule", as: .word(DecisionRule.self, summary: "The row of the decision table.")),
                .required("reply", as: .text("The reply over socketmap, in the dialect.")),
                .required("dialect", as: .text("The reply syntax.")),
            ])
    }
}

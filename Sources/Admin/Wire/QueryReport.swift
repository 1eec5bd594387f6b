/// What one live discovery found out, step by step. Text from strangers is escaped.
package struct QueryReport: WireValue, Equatable {
    package struct Record: WireValue, Equatable {
        package let name: String
        package let id: String?
        package let finding: String
        package let ttl: UInt32
        package let aliases: Int
        package let milliseconds: Double

        package init(name: String, id: String?, finding: String, ttl: UInt32, aliases: Int, milliseconds: Double) {
            self.name = name
            self.id = id
            self.finding = finding
            self.ttl = ttl
            self.aliases = aliases
            self.milliseconds = milliseconds
        }

        package static var schema: ObjectSchema {
            ObjectSchema(
                "QueryRecord", "The TXT query.",
                [
                    .always("name", .text("What was asked for.")),
                    .sometimes("id", .text("The id, where a record is published.")),
                    .always("finding", .text("What was found, in words.")),
                    .always("ttl", .whole("Seconds.")),
                    .always("aliases", .whole("CNAMEs that were followed.")),
                    .always("milliseconds", .number("How long it took.")),
                ])
        }
    }

    package struct PolicyHost: WireValue, Equatable {
        package let name: String
        package let addresses: [String]
        package let notDialled: [String]
        package let refused: [String]
        package let milliseconds: Double

        package init(
            name: String, addresses: [String], notDialled: [String], refused: [String], milliseconds: Double
        ) {
            self.name = name
            self.addresses = addresses
            self.notDialled = notDialled
            self.refused = refused
            self.milliseconds = milliseconds
        }

        package static var schema: ObjectSchema {
            ObjectSchema(
                "QueryPolicyHost", "Where the policy host is.",
                [
                    .always("name", .text("mta-sts. and the domain.")),
                    .always(
                        "addresses",
                        .list(.text("An address."), "Those that are dialled: the first 4 of each address family.")),
                    .always("notDialled", .list(.text("An address."), "Further ones, which are not dialled.")),
                    .always("refused", .list(.text("An address."), "Loopback, private, link-local and the like.")),
                    .always("milliseconds", .number("How long it took.")),
                ])
        }
    }

    package struct Fetch: WireValue, Equatable {
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
                "QueryFetch", "The HTTPS request.",
                [
                    .always("url", .text("What was asked for.")),
                    .sometimes("address", .text("The address that answered.")),
                    .sometimes("httpVersion", .text("How it answered.")),
                    .always("milliseconds", .number("How long it took.")),
                    .always("certificate", .text("valid, not seen, or invalid and why.")),
                    .sometimes("issuer", .text("Of the certificate.")),
                    .sometimes("notAfter", .text("The end of the certificate's validity.")),
                    .sometimes("failure", .text("In words, when there is no policy.")),
                    .sometimes("failureType", .text("RFC 8460's word for it.")),
                ])
        }
    }

    package struct Policy: WireValue, Equatable {
        package let mode: String
        package let maxAge: Int
        package let mx: [String]
        package let notices: [String]

        package init(mode: String, maxAge: Int, mx: [String], notices: [String]) {
            self.mode = mode
            self.maxAge = maxAge
            self.mx = mx
            self.notices = notices
        }

        package static var schema: ObjectSchema {
            ObjectSchema(
                "QueryPolicy", "The policy as it is published now.",
                [
                    .always("mode", .text("enforce, testing or none.")),
                    .always("maxAge", .whole("Seconds.")),
                    .always("mx", .list(.text("A name, or *. and a name."), "The hosts that it allows.")),
                    .always("notices", .list(.text("One of them."), "Oddities that were tolerated.")),
                ])
        }
    }

    package struct DANE: WireValue, Equatable {
        package let mx: String
        package let mxAnswer: String?
        package let hosts: [DANEHost]
        /// What could not be found out, where something could not.
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
                "QueryDANE", "What DANE means for the destination.",
                [
                    .always("mx", .text("The MX set, and how sure it is.")),
                    .sometimes("mxAnswer", .text("The answer of DNS.")),
                    .always("hosts", .list(.object(DANEHost.schema), "In the order of their preferences.")),
                    .sometimes("unknown", .text("What could not be found out.")),
                    .always("milliseconds", .number("How long it took.")),
                ])
        }
    }

    package enum Outcome: String, Codable, Sendable, CaseIterable {
        case policy
        case noPolicy = "no-policy"
        /// Could not find out.
        case unknown
    }

    package let key: String
    package let domain: String?
    package let outcome: Outcome
    package let record: Record?
    package let policyHost: PolicyHost?
    package let fetch: Fetch?
    package let policy: Policy?
    /// `nil`: DANE is not looked for.
    package let dane: DANE?
    package let rule: String
    /// What Postfix would hear over socketmap, without the netstring around it.
    package let reply: String
    package let dialect: String

    package init(
        key: String, domain: String?, outcome: Outcome, record: Record? = nil, policyHost: PolicyHost? = nil,
        fetch: Fetch? = nil, policy: Policy? = nil, dane: DANE? = nil, rule: String, reply: String, dialect: String
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
            "QueryReport", "What a discovery found out just now, and what it alone would lead to.",
            [
                .always("key", .text("As it was asked for.")),
                .sometimes("domain", .text("Whose policy applies.")),
                .always("outcome", .word(Outcome.allCases.map(\.rawValue), "unknown: could not find out.")),
                .sometimes("record", .object(Record.schema)),
                .sometimes("policyHost", .object(PolicyHost.schema)),
                .sometimes("fetch", .object(Fetch.schema)),
                .sometimes("policy", .object(Policy.schema)),
                .sometimes("dane", .object(DANE.schema)),
                .always("rule", .text("The row of the decision table.")),
                .always("reply", .text("As over socketmap, in the dialect.")),
                .always("dialect", .text("The words of the reply.")),
            ])
    }
}

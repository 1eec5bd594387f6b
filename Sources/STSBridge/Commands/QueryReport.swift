import Discovery
import LookupServer
import MTASTS
import NIOCore
import PolicyService
import PostfixTable

/// What `query` found out, step by step, in the shape of its JSON. Text from strangers is escaped.
struct QueryReport: Encodable {
    struct Record: Encodable {
        let name: String
        /// The id, where a record is published.
        let id: String?
        /// What was found, in words.
        let finding: String
        /// Seconds.
        let ttl: UInt32
        let aliases: Int
        let milliseconds: Double
    }

    struct PolicyHost: Encodable {
        let name: String
        let addresses: [String]
        /// Addresses that are not dialled: loopback, private, link-local and the like.
        let refused: [String]
        let milliseconds: Double
    }

    struct Fetch: Encodable {
        let url: String
        /// The address that answered, and how.
        let address: String?
        let httpVersion: String?
        let milliseconds: Double
        /// `valid`, `invalid: …`, or `not seen`.
        let certificate: String
        let issuer: String?
        let notAfter: String?
        /// In words, when there is no policy.
        let failure: String?
        /// RFC 8460's word for it.
        let failureType: String?
    }

    struct Policy: Encodable {
        let mode: String
        /// Seconds.
        let maxAge: Int
        let mx: [String]
        /// Oddities that were tolerated.
        let notices: [String]
    }

    let key: String
    let domain: String?
    let record: Record?
    let policyHost: PolicyHost?
    let fetch: Fetch?
    let policy: Policy?
    /// `nil`: DANE is not looked for.
    let dane: DANE?
    let rule: String
    /// What Postfix would hear over socketmap, without the netstring around it.
    let reply: String
    let dialect: String
    let status: ExitStatus

    private enum CodingKeys: CodingKey {
        case key, domain, record, policyHost, fetch, policy, dane, rule, reply, dialect
    }

    /// A key that is answered "not found" without any DNS.
    init(keyWithoutPolicy key: String, dialect: Dialect) {
        self.key = RemoteText.escaped(key)
        domain = nil
        record = nil
        policyHost = nil
        fetch = nil
        policy = nil
        dane = nil
        rule = "no-policy-domain"
        reply = Self.text(of: .notFound, dialect)
        self.dialect = dialect.rawValue
        status = .notFound
    }

    init(
        key: String, _ domain: PolicyDomain, _ record: RecordReport, policy report: PolicyReport?, standing: Standing,
        dane found: DANEReport?, _ postfix: PostfixAtHand
    ) {
        let finding = found.map { DANEStanding.known($0.finding.coverage(wasSigned: false), reason: $0.finding.reason) }
        let decision = Decision(standing, dane: finding ?? .off, settings: postfix.decisions)
        self.key = RemoteText.escaped(key)
        self.domain = domain.name.text
        self.record = Record(record, of: domain)
        policyHost = report.map { PolicyHost($0, of: domain) }
        fetch = report.flatMap { Fetch($0, of: domain) }
        policy = report.flatMap { Policy($0.finding) }
        dane = found.map(DANE.init)
        rule = decision.rule.rawValue
        dialect = postfix.dialect.rawValue
        reply = Self.text(of: TableReply(decision, for: domain), postfix.dialect)
        status =
            switch standing {
            case .policy: .success
            case .noPolicy: .notFound
            case .unknown: .unknown
            }
    }

    /// The payload, taken from the very bytes that Postfix would get.
    private static func text(of reply: TableReply, _ dialect: Dialect) -> String {
        var buffer = ByteBuffer()
        SocketmapReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
        let netstring = String(buffer: buffer)
        guard let colon = netstring.firstIndex(of: ":") else { return netstring }
        return String(netstring[colon...].dropFirst().dropLast())
    }
}

extension QueryReport.Record {
    init(_ report: RecordReport, of domain: PolicyDomain) {
        name = domain.recordName
        ttl = report.timeToLive
        aliases = report.aliases
        milliseconds = report.duration.inMilliseconds
        switch report.finding {
        case .published(let id):
            self.id = id.text
            finding = "published"
        case .absent(let absence):
            self.id = nil
            finding = "\(absence)"
        case .failed(let failure):
            self.id = nil
            finding = "could not find out: \(failure.reason)"
        }
    }
}

extension QueryReport.PolicyHost {
    init(_ report: PolicyReport, of domain: PolicyDomain) {
        name = domain.policyHost
        addresses = report.dialled.map(\.description)
        refused = report.refused.map(\.description)
        milliseconds = report.lookupDuration.inMilliseconds
    }
}

extension QueryReport.Fetch {
    /// `nil` when no address could be dialled; `PolicyHost` then shows why.
    init?(_ report: PolicyReport, of domain: PolicyDomain) {
        url = domain.policyURL
        address = report.response?.address.description
        httpVersion = report.response?.httpVersion
        milliseconds = report.fetchDuration.inMilliseconds
        issuer = report.response?.tls.issuer.map { RemoteText.escaped($0) }
        notAfter = report.response?.tls.notAfter.map { RemoteText.escaped($0) }
        switch report.finding {
        case .policy:
            certificate = "valid"
            failure = nil
            failureType = nil
        case .failed(let reason):
            certificate = Self.verdict(on: reason, hasResponse: report.response != nil)
            failure = "\(reason)"
            failureType = reason.category.rawValue
        }
    }

    private static func verdict(on failure: PolicyFailure, hasResponse: Bool) -> String {
        if case .fetch(.certificate(let reason)) = failure { return "invalid: \(reason)" }
        if case .fetch(.http) = failure { return "valid" }
        return hasResponse ? "valid" : "not seen"
    }
}

extension QueryReport.Policy {
    init?(_ finding: PolicyFinding) {
        guard case .policy(let fetched) = finding else { return nil }
        mode = fetched.policy.mode.rawValue
        maxAge = fetched.policy.maxAge
        mx = fetched.policy.mx.map(\.description)
        notices = fetched.policy.notices.map { "\($0)" }
    }
}

extension Duration {
    /// With microseconds, for a human.
    fileprivate var inMilliseconds: Double {
        let microseconds = components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
        return Double(microseconds) / 1_000
    }
}

extension QueryReport {
    /// What DANE means for the destination, and each DNS answer that says so.
    struct DANE: Encodable {
        struct Host: Encodable {
            let name: String
            let judgement: String
            /// Each answer: secure, insecure, or how it failed.
            let answers: [String]
        }

        /// The MX set, and how sure it is.
        let mx: String
        let mxAnswer: String?
        let hosts: [Host]
        /// What could not be found out, where something could not.
        let unknown: String?
        let milliseconds: Double

        init(_ report: DANEReport) {
            mx = RemoteText.printable("\(report.finding.mx)", limit: 900)
            mxAnswer = report.mx.map { RemoteText.printable("\($0)", limit: 900) }
            hosts = zip(report.finding.hosts, report.hosts).map { host, steps in
                Host(
                    name: RemoteText.printable(host.name, limit: 253),
                    judgement: RemoteText.printable("\(host.ground)", limit: 900),
                    answers: steps.map { RemoteText.printable("\($0)", limit: 900) })
            }
            unknown = report.finding.reason
            milliseconds = report.duration / .milliseconds(1)
        }
    }
}

import Admin
import Discovery
import LookupServer
import MTASTS
import NIOCore
import PolicyService
import PostfixTable

/// The report of `query`, from what a discovery has found.
extension QueryReport {
    /// A key that is answered "not found" without any DNS, in every dialect.
    init(keyWithoutPolicy key: String) {
        let dialect = Dialect.classic
        self.init(
            key: RemoteText.escaped(key), domain: nil, outcome: .noPolicy, rule: "no-policy-domain",
            reply: TableReply.notFound.text(in: dialect), dialect: dialect.rawValue)
    }

    init(
        key: String, _ domain: PolicyDomain, _ record: RecordReport, policy report: PolicyReport?, standing: Standing,
        dane found: DANEReport?, _ postfix: PostfixAtHand
    ) {
        let finding = found.map { DANEStanding.known($0.finding.coverage(wasSigned: false), reason: $0.finding.reason) }
        let decision = Decision(standing, dane: finding ?? .off, settings: postfix.decisions)
        self.init(
            key: RemoteText.escaped(key), domain: domain.name.text, outcome: Outcome(standing),
            record: Record(record, of: domain), policyHost: report.map { PolicyHost($0, of: domain) },
            fetch: report.flatMap { Fetch($0, of: domain) }, policy: report.flatMap { Policy($0.finding) },
            dane: found.map(DANE.init), rule: decision.rule.rawValue,
            reply: TableReply(decision, for: domain).text(in: postfix.dialect), dialect: postfix.dialect.rawValue)
    }

    var status: ExitStatus {
        switch outcome {
        case .policy: .success
        case .noPolicy: .notFound
        case .unknown: .unknown
        }
    }
}

extension QueryReport.Outcome {
    fileprivate init(_ standing: Standing) {
        switch standing {
        case .policy: self = .policy
        case .noPolicy: self = .noPolicy
        case .unknown: self = .unknown
        }
    }
}

extension TableReply {
    /// What Postfix would hear over socketmap, without the netstring around it: from the very bytes that it would get.
    func text(in dialect: Dialect) -> String {
        var buffer = ByteBuffer()
        SocketmapReplyEncoder.encode(self, dialect: dialect, into: &buffer)
        let netstring = String(buffer: buffer)
        guard let colon = netstring.firstIndex(of: ":") else { return netstring }
        return String(netstring[colon...].dropFirst().dropLast())
    }
}

extension QueryReport.Record {
    fileprivate init(_ report: RecordReport, of domain: PolicyDomain) {
        let (id, finding): (String?, String) =
            switch report.finding {
            case .published(let id): (id.text, "published")
            case .absent(let absence): (nil, "\(absence)")
            case .failed(let failure): (nil, "could not find out: \(failure.reason)")
            }
        self.init(
            name: domain.recordName, id: id, finding: finding, ttl: report.timeToLive, aliases: report.aliases,
            milliseconds: report.duration.inMilliseconds)
    }
}

extension QueryReport.PolicyHost {
    fileprivate init(_ report: PolicyReport, of domain: PolicyDomain) {
        self.init(
            name: domain.policyHost, addresses: report.dialled.map(\.description),
            notDialled: report.notDialled.map(\.description), refused: report.refused.map(\.description),
            milliseconds: report.lookupDuration.inMilliseconds)
    }
}

extension QueryReport.Fetch {
    /// `nil` when no address could be dialled; `PolicyHost` then shows why.
    fileprivate init?(_ report: PolicyReport, of domain: PolicyDomain) {
        var verdict = "valid"
        var failure: PolicyFailure?
        if case .failed(let reason) = report.finding {
            verdict = Self.verdict(on: reason, hasResponse: report.response != nil)
            failure = reason
        }
        self.init(
            url: domain.policyURL, address: report.response?.address.description,
            httpVersion: report.response?.httpVersion, milliseconds: report.fetchDuration.inMilliseconds,
            certificate: verdict, issuer: report.response?.tls.issuer.map { RemoteText.escaped($0) },
            notAfter: report.response?.tls.notAfter.map { RemoteText.escaped($0) },
            failure: failure.map { "\($0)" }, failureType: failure?.category?.rawValue)
    }

    private static func verdict(on failure: PolicyFailure, hasResponse: Bool) -> String {
        if case .fetch(.certificate(let reason)) = failure { return "invalid: \(reason)" }
        if case .fetch(.http) = failure { return "valid" }
        return hasResponse ? "valid" : "not seen"
    }
}

extension QueryReport.Policy {
    fileprivate init?(_ finding: PolicyFinding) {
        guard case .policy(let fetched) = finding else { return nil }
        self.init(
            mode: fetched.policy.mode.rawValue, maxAge: fetched.policy.maxAge,
            mx: fetched.policy.mx.map(\.description), notices: fetched.policy.notices.map { "\($0)" })
    }
}

extension QueryReport.DANE {
    fileprivate init(_ report: DANEReport) {
        self.init(
            mx: RemoteText.printable("\(report.finding.mx)", limit: 900),
            mxAnswer: report.mx.map { RemoteText.printable("\($0)", limit: 900) },
            hosts: zip(report.finding.hosts, report.hosts).map { DANEHost($0, steps: $1) },
            unknown: report.finding.reason,
            milliseconds: report.duration / .milliseconds(1))
    }
}

extension Duration {
    /// With microseconds, for a human.
    fileprivate var inMilliseconds: Double {
        let microseconds = components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
        return Double(microseconds) / 1_000
    }
}

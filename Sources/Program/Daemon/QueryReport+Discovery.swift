import AdminAPI
import AdminServer
import Discovery
import MTASTS
import NIOCore
import PolicyCaching
import PolicyRuntime
import PostfixTable
import TableServer
import TextFormats

extension QueryReport {
    /// Runs a discovery for `query` and `explain --live`, and decides on the reply. Nothing is stored.
    package init(key: String, destination: Destination, runtime: RuntimeConfiguration) async {
        let live = await PolicyService.discoverLive(destination, settings: runtime.service)
        self.init(key: key, live: live, postfix: runtime.postfix)
    }

    /// The report for a key that cannot have a policy. The reply is "not found" in every dialect, without a DNS query.
    package init(keyWithoutPolicy key: String) {
        let dialect = Dialect.classic
        self.init(
            key: UntrustedText.escaped(key), domain: nil, outcome: .noPolicy, rule: .noPolicyDomain,
            reply: TableReply.notFound.text(in: dialect), dialect: dialect.rawValue)
    }

    private init(key: String, live: LiveResult, postfix: DetectedPostfix) {
        let domain = live.destination.domain
        self.init(
            key: UntrustedText.escaped(key), domain: domain.name.text, outcome: PolicyOutcome(live.status),
            record: Record(live.record, of: domain), policyHost: live.policy.map { PolicyHost($0, of: domain) },
            fetch: live.policy.flatMap { Fetch($0, of: domain) },
            policy: live.policy.flatMap { PublishedPolicy($0.result) },
            dane: live.dane.map(DANE.init), rule: DecisionRule(live.decision.rule),
            reply: TableReply(live.decision, for: domain).text(in: postfix.dialect),
            dialect: postfix.dialect.rawValue)
    }
}

extension PolicyOutcome {
    fileprivate init(_ status: PolicyStatus) {
        switch status {
        case .policy: self = .policy
        case .noPolicy: self = .noPolicy
        case .unknown: self = .unknown
        }
    }
}

extension TableReply {
    /// The reply over socketmap without its netstring, decoded from the octets that Postfix would receive.
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
        let (id, result): (String?, String) =
            switch report.result {
            case .published(let id): (id.text, "published")
            case .absent(let absence): (nil, "\(absence)")
            case .failed(let failure): (nil, "could not find out: \(failure.reason)")
            }
        self.init(
            name: domain.recordName, id: id, result: result, ttl: report.timeToLive, aliases: report.aliases,
            milliseconds: report.duration.inMilliseconds)
    }
}

extension QueryReport.PolicyHost {
    fileprivate init(_ report: PolicyReport, of domain: PolicyDomain) {
        self.init(
            name: domain.policyHost, addresses: report.addresses.map(\.description),
            notTried: report.notTried.map(\.description), refused: report.refused.map(\.description),
            milliseconds: report.lookupDuration.inMilliseconds)
    }
}

extension QueryReport.Fetch {
    /// Returns `nil` if there was no address to connect to. `PolicyHost` shows the reason.
    fileprivate init?(_ report: PolicyReport, of domain: PolicyDomain) {
        var certificate = "valid"
        var failure: PolicyFetchError?
        if case .failed(let reason) = report.result {
            certificate = Self.certificateStatus(after: reason, hasResponse: report.response != nil)
            failure = reason
        }
        self.init(
            url: domain.policyURL, address: report.response?.address.description,
            httpVersion: report.response?.httpVersion, milliseconds: report.fetchDuration.inMilliseconds,
            certificate: certificate, issuer: report.response?.tls.issuer.map { UntrustedText.escaped($0) },
            notAfter: report.response?.tls.notAfter.map { UntrustedText.escaped($0) },
            failure: failure.map { "\($0)" }, failureType: failure?.category?.rawValue)
    }

    private static func certificateStatus(after failure: PolicyFetchError, hasResponse: Bool) -> String {
        if case .fetch(.certificate(let reason)) = failure { return "invalid: \(reason)" }
        if case .fetch(.http) = failure { return "valid" }
        return hasResponse ? "valid" : "not seen"
    }
}

extension PublishedPolicy {
    fileprivate init?(_ result: PolicyResult) {
        guard case .policy(let fetched) = result else { return nil }
        self.init(fetched)
    }
}

extension QueryReport.DANE {
    fileprivate init(_ report: DANEReport) {
        self.init(
            mx: UntrustedText.printable("\(report.result.mx)", limit: 900),
            mxAnswer: report.mx.map { UntrustedText.printable("\($0)", limit: 900) },
            hosts: zip(report.result.hosts, report.hosts).map { DANEHost($0, traces: $1) },
            unknown: report.result.reason,
            milliseconds: report.duration.inMilliseconds)
    }
}

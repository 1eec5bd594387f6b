import DANE
import MTASTS

/// Where mail is to go: what DANE findings are about.
package struct DANEDestination: Hashable, Sendable {
    package let domain: PolicyDomain
    /// `nil`: not known, so that there is no name to look for TLSA records at, and no DANE.
    package let port: UInt16?
    /// No MX lookup is made: the one candidate host is the domain itself.
    package let isHost: Bool

    package init(domain: PolicyDomain, port: UInt16? = 25, isHost: Bool = false) {
        self.domain = domain
        self.port = port
        self.isHost = isHost
    }
}

/// What DANE means for a destination (RFC 7672 §2.2): small, and worth keeping for `timeToLive`.
package struct DANEFinding: Equatable, Sendable {
    package let destination: DANEDestination
    package let mx: MXFinding
    /// In the order of their preferences; a host once, at its best one.
    package let hosts: [HostFinding]
    /// Hosts of the MX set that were not looked at. Together they count as one failed host: what they have is not
    /// known, so they neither complete a set nor make it unsigned.
    package let leftOut: Int
    /// Seconds for which DNS allows to keep the finding: the least of its answers'; 0 without any answer.
    package let timeToLive: UInt32

    package init(
        destination: DANEDestination, mx: MXFinding, hosts: [HostFinding] = [], leftOut: Int = 0, timeToLive: UInt32
    ) {
        self.destination = destination
        self.mx = mx
        self.hosts = hosts
        self.leftOut = leftOut
        self.timeToLive = timeToLive
    }

    /// The row of the decision table.
    ///
    /// - Parameter wasSigned: whether the last completed finding was signed.
    package func coverage(wasSigned: Bool) -> Coverage {
        let judgements = hosts.map(\.judgement.forgettingFailure) + (leftOut > 0 ? [.failed(())] : [])
        return Coverage(mx: mx.security, hosts: judgements, isKnownSigned: isSigned || wasSigned)
    }

    /// An error matters: the MX answer was secure, or the address of a host that failed.
    package var isSigned: Bool {
        mx.isSigned || hosts.contains { $0.failure != nil && $0.isSigned }
    }

    /// A signature was seen anywhere.
    package var sawSignature: Bool { mx.isSigned || hosts.contains(where: \.isSigned) }

    /// Whether an error that a later finding met may hide what was signed here: the MX set was, or the host that fails
    /// now; any host, where the MX query fails.
    package func vouches(forErrorsOf later: DANEFinding) -> Bool {
        if mx.isSigned { return !later.isComplete }
        if case .failed = later.mx { return sawSignature }
        let failing = Set(later.hosts.lazy.filter { $0.failure != nil }.map(\.name))
        return hosts.contains { $0.isSigned && failing.contains($0.name) }
    }

    /// The finding with an earlier one's answers in place of those that failed now: of the whole MX set where that is
    /// unknown, else host by host. A host of which the earlier one knows nothing stays failed.
    package func completed(by earlier: DANEFinding) -> DANEFinding {
        if case .failed = mx { return earlier }
        guard !isComplete else { return self }
        let known = Dictionary(earlier.hosts.map { ($0.name, $0) }) { first, _ in first }
        let hosts = hosts.map { host in
            guard host.failure != nil, let answer = known[host.name], answer.failure == nil else { return host }
            return HostFinding(
                name: host.name, preference: host.preference, ground: answer.ground, isSigned: answer.isSigned)
        }
        return DANEFinding(destination: destination, mx: mx, hosts: hosts, leftOut: leftOut, timeToLive: timeToLive)
    }

    /// No question failed.
    package var isComplete: Bool { failure == nil }

    /// This host caused a failure, so the next discovery may succeed at once.
    package var hasLocalFailure: Bool {
        if case .failed(let failure) = mx { return failure.isLocal }
        return hosts.contains { $0.failure?.isLocal == true }
    }

    /// The first failure on the way; one below a signed name goes before, for it is what mail may wait for.
    package var failure: DNSFailure? {
        if case .failed(let failure) = mx { return failure }
        return hosts.first { $0.isSigned && $0.failure != nil }?.failure ?? hosts.lazy.compactMap(\.failure).first
    }

    /// For the mail log: the question that failed and how, in printable ASCII of at most `longestReason` characters;
    /// `nil` where nothing is unknown.
    package var reason: String? {
        if let failure { return failure.line(limit: Self.longestReason) }
        guard leftOut > 0 else { return nil }
        let question = DNSQuestion(name: destination.domain.name.text, type: .mx)
        return question.line("\(leftOut) hosts too many, which were not looked at", limit: Self.longestReason)
    }

    /// Characters of a temporary answer's reason.
    package static let longestReason = 200
}

/// How the question for the MX set ended.
package enum MXFinding: Equatable, Sendable {
    /// There are MX records.
    case records(isSecure: Bool)
    /// There is none, so the domain is its own host (RFC 5321 §5.1).
    case implicit(isSecure: Bool)
    /// The domain takes no mail (RFC 7505).
    case null(isSecure: Bool)
    case noSuchDomain(isSecure: Bool)
    /// The administrator named the host.
    case notAsked
    case failed(DNSFailure)

    package var security: MXSecurity {
        switch self {
        case .records(let isSecure), .implicit(let isSecure), .null(let isSecure), .noSuchDomain(let isSecure):
            isSecure ? .secure : .insecure
        case .notAsked: .secure
        case .failed: .failed
        }
    }

    /// The answer was secure; a name from the administrator is not signed by that.
    var isSigned: Bool { self != .notAsked && security == .secure }
}

extension MXFinding: CustomStringConvertible {
    package var description: String {
        let security = security == .secure ? "secure" : "insecure"
        return switch self {
        case .records: "MX records, \(security)"
        case .implicit: "no MX record, \(security): the domain is its own mail host (RFC 5321 section 5.1)"
        case .null: "a null MX, \(security): the domain takes no mail (RFC 7505)"
        case .noSuchDomain: "no such domain, \(security)"
        case .notAsked: "no MX lookup: the next-hop is a host"
        case .failed(let failure): "\(failure)"
        }
    }
}

/// A finding with each answer it is made of, for one showing: what is kept is the finding.
package struct DANEReport: Sendable {
    package let finding: DANEFinding
    /// The MX question, where it was asked.
    package let mx: DNSStep?
    /// The questions about each host of the finding, in the same order.
    package let hosts: [[DNSStep]]
    package let duration: Duration

    package init(finding: DANEFinding, mx: DNSStep?, hosts: [[DNSStep]], duration: Duration = .zero) {
        self.finding = finding
        self.mx = mx
        self.hosts = hosts
        self.duration = duration
    }

    package var steps: [DNSStep] { (mx.map { [$0] } ?? []) + hosts.joined() }

    /// Of a destination whose port is unknown: nothing was asked, and DANE does not apply.
    static func notApplicable(to destination: DANEDestination) -> DANEReport {
        DANEReport(
            finding: DANEFinding(destination: destination, mx: .notAsked, timeToLive: 0), mx: nil, hosts: [])
    }
}

extension HostJudgement where Failure == DNSFailure {
    fileprivate var forgettingFailure: HostJudgement<Void> {
        switch self {
        case .usable: .usable
        case .unusable: .unusable
        case .none: .none
        case .absent: .absent
        case .failed: .failed(())
        }
    }
}

extension DNSFailure {
    /// The description, made fit for a log line.
    fileprivate func line(limit: Int) -> String { question.line(reason, limit: limit) }
}

extension DNSQuestion {
    /// The question and its outcome in printable ASCII, cut where it is too long; a long name is cut before the outcome.
    fileprivate func line(_ outcome: String, limit: Int) -> String {
        let mark = RemoteText.cutMark.utf8.count
        let name = RemoteText.printable(name, limit: limit / 2 - mark)
        return RemoteText.printable("\(name) \(type): \(outcome)", limit: limit - mark)
    }
}

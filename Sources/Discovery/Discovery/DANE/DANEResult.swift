import DANE
import MTASTS
import TextFormats

/// The destination of a delivery: domain, port, and whether the domain is a host.
package struct Destination: Hashable, Sendable {
    package let domain: PolicyDomain
    /// `nil` if unknown. Then there is no name for a TLSA query, and DANE does not apply.
    package let port: UInt16?
    /// Whether the domain is a host. Then there is no MX lookup, and the domain itself is the only host.
    package let isHost: Bool

    package init(domain: PolicyDomain, port: UInt16? = 25, isHost: Bool = false) {
        self.domain = domain
        self.port = port
        self.isHost = isHost
    }
}

/// How DANE applies to a destination (RFC 7672 §2.2). It is small, and can be cached for `timeToLive`.
package struct DANEResult: Equatable, Sendable {
    package let destination: Destination
    package let mx: MXResult
    /// In the order of their preferences. Each host occurs once, with its best preference.
    package let hosts: [MXHostResult]
    /// The number of hosts beyond the limit. Together they count as one failed host, because their status is unknown.
    package let skippedHosts: Int
    /// Seconds for which DNS allows caching: the smallest TTL of the answers; 0 without an answer.
    package let timeToLive: UInt32

    package init(
        destination: Destination, mx: MXResult, hosts: [MXHostResult] = [], skippedHosts: Int = 0, timeToLive: UInt32
    ) {
        self.destination = destination
        self.mx = mx
        self.hosts = hosts
        self.skippedHosts = skippedHosts
        self.timeToLive = timeToLive
    }

    /// - Parameter wasSigned: Whether the last complete result was signed.
    package func coverage(wasSigned: Bool) -> DANECoverage {
        let statuses = hosts.map(\.status.withoutFailure) + (skippedHosts > 0 ? [.failed(())] : [])
        return DANECoverage(mx: mx.security, hosts: statuses, isKnownSigned: isSigned || wasSigned)
    }

    /// Whether the MX answer was secure, or the address of a failed host. Only then an error can hide DANE.
    package var isSigned: Bool {
        mx.isSigned || hosts.contains { $0.failure != nil && $0.isSigned }
    }

    /// Whether any answer was secure.
    package var hasSignature: Bool { mx.isSigned || hosts.contains(where: \.isSigned) }

    /// Whether this result shows that the errors of a later result may hide signed data: the MX set was signed, or a host
    /// that failed later. If the MX query failed later, any signed host is enough.
    package func showsSigned(for later: DANEResult) -> Bool {
        if mx.isSigned { return !later.isComplete }
        if case .failed = later.mx { return hasSignature }
        let failing = Set(later.hosts.lazy.filter { $0.failure != nil }.map(\.name))
        return hosts.contains { $0.isSigned && failing.contains($0.name) }
    }

    /// Replaces failed lookups by the answers of an earlier result: all of them if the MX query failed, otherwise host by
    /// host. A host without an earlier answer stays failed.
    package func completed(with earlier: DANEResult) -> DANEResult {
        if case .failed = mx { return earlier }
        guard !isComplete else { return self }
        let known = Dictionary(earlier.hosts.map { ($0.name, $0) }) { first, _ in first }
        let hosts = hosts.map { host in
            guard host.failure != nil, let answer = known[host.name], answer.failure == nil else { return host }
            return MXHostResult(
                name: host.name, preference: host.preference, reason: answer.reason, isSigned: answer.isSigned)
        }
        return DANEResult(
            destination: destination, mx: mx, hosts: hosts, skippedHosts: skippedHosts, timeToLive: timeToLive)
    }

    /// Whether no query failed.
    package var isComplete: Bool { failure == nil }

    /// Whether this host caused a failure. The next discovery may succeed at once.
    package var hasLocalFailure: Bool {
        if case .failed(let failure) = mx { return failure.isLocal }
        return hosts.contains { $0.failure?.isLocal == true }
    }

    /// The first failure. A failure below a signed name goes first, because mail may wait for it.
    package var failure: DNSError? {
        if case .failed(let failure) = mx { return failure }
        return hosts.first { $0.isSigned && $0.failure != nil }?.failure ?? hosts.lazy.compactMap(\.failure).first
    }

    /// The failed query and its error for the mail log, in printable ASCII of at most `maximumReasonLength` characters;
    /// `nil` if nothing failed.
    package var reason: String? {
        if let failure { return failure.line(limit: Self.maximumReasonLength) }
        guard skippedHosts > 0 else { return nil }
        let question = DNSQuestion(name: destination.domain.name.text, type: .mx)
        return question.line(
            "\(skippedHosts) hosts beyond the limit were not looked up", limit: Self.maximumReasonLength)
    }

    /// The length of the reason in a temporary reply, in characters.
    package static let maximumReasonLength = 200
}

extension MXHostStatus where Failure == DNSError {
    fileprivate var withoutFailure: MXHostStatus<Void> {
        switch self {
        case .usable: .usable
        case .unusable: .unusable
        case .none: .none
        case .absent: .absent
        case .failed: .failed(())
        }
    }
}

extension DNSError {
    /// The description for a log line.
    fileprivate func line(limit: Int) -> String { question.line(reason, limit: limit) }
}

extension DNSQuestion {
    /// The question and its outcome in printable ASCII. Truncates a long name first, then the outcome.
    fileprivate func line(_ outcome: String, limit: Int) -> String {
        let mark = UntrustedText.truncationMark.utf8.count
        let name = UntrustedText.printable(name, limit: limit / 2 - mark)
        return UntrustedText.printable("\(name) \(type): \(outcome)", limit: limit - mark)
    }
}

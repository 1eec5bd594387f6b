import DANE
import MTASTS

/// Finds what DANE means for a destination: the MX set, then each host on its own (RFC 7672 §2.2).
///
/// Concurrency: a value without state; any number of discoveries at once. Hosts are asked about side by side.
/// Fails by: findings; a question without an answer is part of them.
/// Bounded: by hosts, by hosts at once, by at most five questions a host, one after the other but for the addresses.
/// Not here: what follows from a finding, and how long it is kept (PolicyService); DNSSEC (UnboundDNS).
package struct DANEDiscovery: Sendable {
    private let resolver: any ValidatingResolver
    private let maximumHosts: Int
    private let hostsAtOnce: Int
    private let onEnding: OnDiscoveryEnding

    package typealias OnProgress = @Sendable (DANEProgress) -> Void

    /// - Parameters:
    ///   - maximumHosts: how many hosts of an MX set are looked at, those of the best preferences. 20: Postfix tries 5
    ///     addresses (`smtp_mx_address_limit`), large providers name up to about 10 hosts.
    ///   - hostsAtOnce: how many are asked about side by side. 8: nearly every MX set in one go, with 16 questions.
    package init(
        resolver: any ValidatingResolver, maximumHosts: Int = 20, hostsAtOnce: Int = 8,
        onEnding: @escaping OnDiscoveryEnding = { _ in }
    ) {
        self.resolver = resolver
        self.maximumHosts = maximumHosts
        self.hostsAtOnce = hostsAtOnce
        self.onEnding = onEnding
    }

    /// - Parameter onProgress: called on the discovery's tasks, perhaps on several at once, before this function returns.
    package func report(
        on destination: DANEDestination, onProgress: @escaping OnProgress = { _ in }
    ) async -> DANEReport {
        let start = ContinuousClock.now
        guard let port = destination.port else { return .notApplicable(to: destination) }
        let set = await mxSet(of: destination)
        let (looked, leftOut) = limited(set.hosts)
        onProgress(
            .hosts(
                DANEFinding(
                    destination: destination, mx: set.finding, hosts: looked.map(\.unfinished), leftOut: leftOut,
                    timeToLive: 0)))
        let inquiries = await inquire(looked, port: port, onProgress)
        let steps = (set.step.map { [$0] } ?? []) + inquiries.flatMap(\.steps)
        let finding = DANEFinding(
            destination: destination, mx: set.finding, hosts: inquiries.map(\.finding), leftOut: leftOut,
            timeToLive: steps.compactMap { $0.answer?.answer.timeToLive }.min() ?? 0)
        let report = DANEReport(
            finding: finding, mx: set.step, hosts: inquiries.map(\.steps), duration: start.duration(to: .now))
        onEnding(.dane(report))
        return report
    }

    // MARK: The MX set

    private struct MXSet {
        var finding: MXFinding
        var hosts: [Candidate] = []
        var step: DNSStep?
    }

    private struct Candidate {
        var exchange: MXRecord.Exchange
        var preference: UInt16?

        var isHost: Bool {
            guard case .host = exchange else { return false }
            return true
        }

        func finding(_ ground: HostFinding.Ground, isSigned: Bool = false) -> HostFinding {
            HostFinding(name: exchange.text, preference: preference, ground: ground, isSigned: isSigned)
        }

        /// Before the host's answers arrive.
        var unfinished: HostFinding {
            isHost ? .unfinished(name: exchange.text, preference: preference) : finding(.noHostName)
        }
    }

    private func mxSet(of destination: DANEDestination) async -> MXSet {
        let itself = [Candidate(exchange: .host(destination.domain.name.text))]
        if destination.isHost { return MXSet(finding: .notAsked, hosts: itself) }
        let step = await resolver.step(destination.domain.name.text, .mx)
        switch step.outcome {
        case .failure(let failure):
            return MXSet(finding: .failed(failure), step: step)
        case .success(let validated):
            let isSecure = validated.isSecure
            switch validated.answer.content {
            case .nameError: return MXSet(finding: .noSuchDomain(isSecure: isSecure), step: step)
            case .noData: return MXSet(finding: .implicit(isSecure: isSecure), hosts: itself, step: step)
            case .records(let data): return Self.mxSet(of: data, isSecure: isSecure, step: step)
            }
        }
    }

    private static func mxSet(of data: [[UInt8]], isSecure: Bool, step: DNSStep) -> MXSet {
        do throws(MalformedMX) {
            let records = try data.map { data throws(MalformedMX) in try MXRecord(rdata: data) }
            if records.allSatisfy({ $0.exchange == .root }) {
                return MXSet(finding: .null(isSecure: isSecure), step: step)
            }
            return MXSet(finding: .records(isSecure: isSecure), hosts: candidates(records), step: step)
        } catch {
            // Without the whole set nobody knows where mail may go.
            let failure = DNSFailure(question: step.question, cause: .malformedAnswer("\(error)"), servers: [])
            return MXSet(finding: .failed(failure), step: DNSStep(question: step.question, outcome: .failure(failure)))
        }
    }

    /// By preference alone, never by security (§2.2.1). Among equals the name decides, so that of a set that is too
    /// large every discovery looks at the same hosts.
    private static func candidates(_ records: [MXRecord]) -> [Candidate] {
        let ordered = records.sorted {
            ($0.preference, $0.exchange.text) < ($1.preference, $1.exchange.text)
        }
        var seen: Set<String> = []
        return ordered.filter { seen.insert($0.exchange.text).inserted }.map {
            Candidate(exchange: $0.exchange, preference: $0.preference)
        }
    }

    /// Names of no host are told too, as many again at most, but take no host's place.
    private func limited(_ candidates: [Candidate]) -> (looked: [Candidate], leftOut: Int) {
        var (hosts, others) = (0, 0)
        let looked = candidates.filter { candidate in
            if candidate.isHost { hosts += 1 } else { others += 1 }
            return (candidate.isHost ? hosts : others) <= maximumHosts
        }
        return (looked, max(0, hosts - maximumHosts))
    }

    // MARK: The hosts

    private struct Inquiry: Sendable {
        var finding: HostFinding
        var steps: [DNSStep]
    }

    /// The results stand in the order of `hosts`, whichever came first.
    private func inquire(
        _ hosts: [Candidate], port: UInt16, _ onProgress: @escaping OnProgress
    ) async -> [Inquiry] {
        await withTaskGroup(of: (Int, Inquiry).self) { group in
            var inquiries = [Inquiry?](repeating: nil, count: hosts.count)
            for (place, host) in hosts.enumerated() {
                if place >= hostsAtOnce, let (done, inquiry) = await group.next() { inquiries[done] = inquiry }
                group.addTask {
                    let inquiry = await inquire(host, port: port) { onProgress(.host($0, at: place)) }
                    onProgress(.host(inquiry.finding, at: place))
                    return (place, inquiry)
                }
            }
            for await (done, inquiry) in group { inquiries[done] = inquiry }
            return inquiries.compactMap(\.self)
        }
    }

    /// - Parameter onSigned: called when the address is known to be signed, with TLSA still missing.
    private func inquire(
        _ candidate: Candidate, port: UInt16, onSigned: (HostFinding) -> Void
    ) async -> Inquiry {
        guard case .host(let name) = candidate.exchange else {
            return Inquiry(finding: candidate.finding(.noHostName), steps: [])
        }
        var inquiry = HostInquiry(name, port: port, resolver: resolver)
        let ground = await inquiry.judge { tlsa in
            onSigned(candidate.finding(.lookupFailed(.unfinished(tlsa)), isSigned: true))
        }
        return Inquiry(finding: candidate.finding(ground, isSigned: inquiry.isSigned), steps: inquiry.steps)
    }
}

extension MXRecord.Exchange {
    /// As it is shown.
    fileprivate var text: String {
        switch self {
        case .host(let name), .noHost(let name): name
        case .root: "."
        }
    }
}

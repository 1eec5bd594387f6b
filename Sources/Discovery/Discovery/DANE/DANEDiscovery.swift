import DANE
import MTASTS

/// Finds out how DANE applies to a destination: first the MX set, then each host separately (RFC 7672 §2.2).
///
/// Concurrency: A value without state. Any number of discoveries run at once, and each queries several hosts at once.
/// Limits: The number of hosts, the number of hosts at once, and five queries for each host.
/// Errors: Failed queries are part of the result.
/// Not here: decisions and caching (PolicyCaching), DNSSEC validation (UnboundDNS).
package struct DANEDiscovery: Sendable {
    private let resolver: any ValidatingResolver
    private let maximumHosts: Int
    private let hostsAtOnce: Int
    private let onEvent: OnDiscoveryEvent

    package typealias OnProgress = @Sendable (DANEProgress) -> Void

    /// - Parameters:
    ///   - maximumHosts: The number of hosts that are looked up, those with the best preferences. Postfix tries 5
    ///     addresses (`smtp_mx_address_limit`), and large providers have about 10 hosts.
    ///   - hostsAtOnce: The number of hosts that are looked up at once. 8 covers nearly every MX set, with 16 queries.
    package init(
        resolver: any ValidatingResolver, maximumHosts: Int = 20, hostsAtOnce: Int = 8,
        onEvent: @escaping OnDiscoveryEvent = { _ in }
    ) {
        self.resolver = resolver
        self.maximumHosts = maximumHosts
        self.hostsAtOnce = hostsAtOnce
        self.onEvent = onEvent
    }

    /// - Parameter onProgress: Called on the tasks of the discovery, possibly on several at once, before this function
    ///   returns.
    package func report(
        on destination: Destination, onProgress: @escaping OnProgress = { _ in }
    ) async -> DANEReport {
        let start = ContinuousClock.now
        guard let port = destination.port else { return .notApplicable(to: destination) }
        let set = await mxSet(of: destination)
        let (candidates, skippedHosts) = limited(set.hosts)
        onProgress(
            .hosts(
                DANEResult(
                    destination: destination, mx: set.result, hosts: candidates.map(\.unfinished),
                    skippedHosts: skippedHosts, timeToLive: 0)))
        let lookups = await lookUp(candidates, port: port, onProgress: onProgress)
        let queries = (set.query.map { [$0] } ?? []) + lookups.flatMap(\.queries)
        let result = DANEResult(
            destination: destination, mx: set.result, hosts: lookups.map(\.result), skippedHosts: skippedHosts,
            timeToLive: queries.compactMap { $0.answer?.answer.timeToLive }.min() ?? 0)
        let report = DANEReport(
            result: result, mx: set.query, hosts: lookups.map(\.queries), duration: start.duration(to: .now))
        onEvent(.dane(report))
        return report
    }

    // MARK: The MX set

    private struct MXSet {
        var result: MXResult
        var hosts: [Candidate] = []
        var query: DNSQueryTrace?
    }

    private struct Candidate {
        var exchange: MXRecord.Exchange
        var preference: UInt16?

        var isHost: Bool {
            guard case .host = exchange else { return false }
            return true
        }

        func result(_ reason: MXHostResult.Reason, isSigned: Bool = false) -> MXHostResult {
            MXHostResult(name: exchange.text, preference: preference, reason: reason, isSigned: isSigned)
        }

        /// The result without any answer.
        var unfinished: MXHostResult {
            isHost ? .unfinished(name: exchange.text, preference: preference) : result(.noHostName)
        }
    }

    private func mxSet(of destination: Destination) async -> MXSet {
        let itself = [Candidate(exchange: .host(destination.domain.name.text))]
        if destination.isHost { return MXSet(result: .notNeeded, hosts: itself) }
        let query = await resolver.trace(destination.domain.name.text, type: .mx)
        switch query.result {
        case .failure(let failure):
            return MXSet(result: .failed(failure), query: query)
        case .success(let validated):
            let isSecure = validated.isSecure
            switch validated.answer.content {
            case .nameError: return MXSet(result: .noSuchDomain(isSecure: isSecure), query: query)
            case .noData: return MXSet(result: .implicit(isSecure: isSecure), hosts: itself, query: query)
            case .records(let data): return Self.mxSet(from: data, isSecure: isSecure, query: query)
            }
        }
    }

    private static func mxSet(from data: [[UInt8]], isSecure: Bool, query: DNSQueryTrace) -> MXSet {
        do throws(MXRecordError) {
            let records = try data.map { data throws(MXRecordError) in try MXRecord(rdata: data) }
            if records.allSatisfy({ $0.exchange == .root }) {
                return MXSet(result: .null(isSecure: isSecure), query: query)
            }
            return MXSet(result: .records(isSecure: isSecure), hosts: candidates(records), query: query)
        } catch {
            // Mail may go to any host of the set, so an unreadable record makes the whole set unknown.
            let failure = DNSError(question: query.question, cause: .malformedAnswer("\(error)"), servers: [])
            return MXSet(
                result: .failed(failure), query: DNSQueryTrace(question: query.question, result: .failure(failure)))
        }
    }

    /// Sorts by preference, never by security (§2.2.1). Hosts of equal preference are sorted by name, so that every
    /// discovery of a too large set looks up the same hosts.
    private static func candidates(_ records: [MXRecord]) -> [Candidate] {
        let ordered = records.sorted {
            ($0.preference, $0.exchange.text) < ($1.preference, $1.exchange.text)
        }
        var seen: Set<String> = []
        return ordered.filter { seen.insert($0.exchange.text).inserted }.map {
            Candidate(exchange: $0.exchange, preference: $0.preference)
        }
    }

    /// Limits hosts, and separately names that are not hosts, to `maximumHosts` each.
    private func limited(_ candidates: [Candidate]) -> (candidates: [Candidate], skippedHosts: Int) {
        var (hosts, others) = (0, 0)
        let limited = candidates.filter { candidate in
            if candidate.isHost { hosts += 1 } else { others += 1 }
            return (candidate.isHost ? hosts : others) <= maximumHosts
        }
        return (limited, max(0, hosts - maximumHosts))
    }

    // MARK: The hosts

    private struct HostLookup: Sendable {
        var result: MXHostResult
        var queries: [DNSQueryTrace]
    }

    /// Returns the results in the order of `hosts`.
    private func lookUp(
        _ hosts: [Candidate], port: UInt16, onProgress: @escaping OnProgress
    ) async -> [HostLookup] {
        await withTaskGroup(of: (Int, HostLookup).self) { group in
            var lookups = [HostLookup?](repeating: nil, count: hosts.count)
            for (index, host) in hosts.enumerated() {
                if index >= hostsAtOnce, let (done, lookup) = await group.next() { lookups[done] = lookup }
                group.addTask {
                    let lookup = await lookUp(host, port: port) { onProgress(.host($0, index: index)) }
                    onProgress(.host(lookup.result, index: index))
                    return (index, lookup)
                }
            }
            for await (done, lookup) in group { lookups[done] = lookup }
            return lookups.compactMap(\.self)
        }
    }

    /// - Parameter onSigned: Called when the address is known to be signed, before the TLSA query.
    private func lookUp(
        _ candidate: Candidate, port: UInt16, onSigned: (MXHostResult) -> Void
    ) async -> HostLookup {
        guard case .host(let name) = candidate.exchange else {
            return HostLookup(result: candidate.result(.noHostName), queries: [])
        }
        var lookup = MXHostLookup(name, port: port, resolver: resolver)
        let reason = await lookup.run { tlsa in
            onSigned(candidate.result(.lookupFailed(.unfinished(tlsa)), isSigned: true))
        }
        return HostLookup(result: candidate.result(reason, isSigned: lookup.isSigned), queries: lookup.queries)
    }
}

extension MXRecord.Exchange {
    /// The name for people.
    fileprivate var text: String {
        switch self {
        case .host(let name), .noHost(let name): name
        case .root: "."
        }
    }
}

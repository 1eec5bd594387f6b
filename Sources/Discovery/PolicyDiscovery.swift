import MTASTS

/// Finds a domain's policy: the TXT record, then one HTTPS request, then the grammar (RFC 8461 §3).
///
/// Concurrency: a value without state; any number of discoveries at once.
/// Fails by: findings; each way to end is a case of its own, "there is none" apart from "could not find out".
/// Not here: what is remembered and for how long (PolicyService), how DNS and HTTPS are spoken (UnboundDNS, CurlHTTPS).
package struct PolicyDiscovery: Sendable {
    private let resolver: any Resolver
    private let fetcher: any PolicyFetcher
    private let dialingRule: DialingRule
    private let onEnding: OnDiscoveryEnding

    package init(
        resolver: any Resolver, fetcher: any PolicyFetcher, dialingRule: DialingRule = DialingRule(),
        onEnding: @escaping OnDiscoveryEnding = { _ in }
    ) {
        self.resolver = resolver
        self.fetcher = fetcher
        self.dialingRule = dialingRule
        self.onEnding = onEnding
    }

    /// Step one: one TXT query at `_mta-sts.DOMAIN`.
    package func record(of domain: PolicyDomain) async -> RecordReport {
        let report = await recordReport(on: domain)
        onEnding(.record(report))
        return report
    }

    private func recordReport(on domain: PolicyDomain) async -> RecordReport {
        let question = DNSQuestion(name: domain.recordName, type: .txt)
        let (answer, duration) = await timed { await ask(question) }
        switch answer {
        case .success(let answer):
            return RecordReport(
                finding: Self.finding(in: answer), timeToLive: answer.timeToLive, aliases: answer.aliases,
                duration: duration)
        case .failure(let failure):
            return RecordReport(finding: .failed(failure), timeToLive: 0, duration: duration)
        }
    }

    /// How many addresses of one policy host are dialled at most, for each address family: the first ones. A zone may list
    /// thousands of addresses in one answer, and they may belong to hosts that have nothing to do with the domain.
    package static let maximumAddressesPerFamily = 4

    /// Step two: the policy host's addresses, the request, the grammar.
    package func policy(of domain: PolicyDomain, purpose: FetchPurpose = .firstContact) async -> PolicyReport {
        await policy(of: domain, at: policyHost(of: domain), purpose: purpose)
    }

    /// The first half of step two: where the policy host is, and which of its addresses may be dialled.
    package func policyHost(of domain: PolicyDomain) async -> PolicyHostReport {
        let (found, duration) = await timed { await addresses(of: domain.policyHost) }
        let given = Self.distinct((try? found.get()) ?? [])
        let permitted = given.filter(dialingRule.permits)
        let dialled = Self.firstOfEachFamily(permitted)
        return PolicyHostReport(
            found: found, dialled: dialled, notDialled: permitted.filter { !dialled.contains($0) },
            refused: given.filter { !dialingRule.permits($0) }, duration: duration)
    }

    /// The second half: the request, the grammar.
    package func policy(
        of domain: PolicyDomain, at host: PolicyHostReport, purpose: FetchPurpose = .firstContact
    ) async -> PolicyReport {
        let report = await policyReport(on: domain, at: host, purpose)
        onEnding(.policy(report))
        return report
    }

    private func policyReport(
        on domain: PolicyDomain, at host: PolicyHostReport, _ purpose: FetchPurpose
    ) async -> PolicyReport {
        if case .failure(let failure) = host.found {
            return PolicyReport(finding: .failed(failure), lookupDuration: host.duration)
        }
        let (response, duration) = await timed { await fetch(domain, from: host, purpose) }
        return PolicyReport(
            finding: Self.finding(in: response), dialled: host.dialled, notDialled: host.notDialled,
            refused: host.refused, response: try? response.get(), lookupDuration: host.duration,
            fetchDuration: duration)
    }

    // MARK: The record

    private static func finding(in answer: DNSAnswer) -> RecordFinding {
        switch answer.content {
        case .nameError: return .absent(.nameError)
        case .noData: return .absent(.noData)
        case .records(let data):
            let records = data.compactMap(TXTRecord.init(rdata:))
            guard records.count == data.count else {
                let cause = DNSFailure.Cause.malformedAnswer("TXT data that ends inside a string")
                return .failed(DNSFailure(question: answer.question, cause: cause, servers: []))
            }
            switch STSRecord.select(from: records) {
            case .record(let record): return .published(record.id)
            case .noCandidate: return .absent(.noCandidate)
            case .severalCandidates(let count): return .absent(.several(count))
            case .invalid(let error): return .absent(.invalid(error))
            }
        }
    }

    // MARK: The policy host's addresses

    /// IPv4 first: a broken IPv6 path then costs nothing where the host has both.
    private func addresses(of host: String) async -> Result<[IPAddress], PolicyFailure> {
        async let ipv4 = addresses(of: host, type: .a)
        async let ipv6 = addresses(of: host, type: .aaaa)
        switch (await ipv4, await ipv6) {
        case (.success(let ipv4), .success(let ipv6)):
            let all = ipv4 + ipv6
            return all.isEmpty ? .failure(.hostWithoutAddress) : .success(all)
        // One family that answers is enough to try; one that does not is a failure only where nothing else is known.
        case (.success(let some), .failure(let failure)), (.failure(let failure), .success(let some)):
            return some.isEmpty ? .failure(.hostLookup(failure)) : .success(some)
        case (.failure(let failure), .failure):
            return .failure(.hostLookup(failure))
        }
    }

    /// Each address once, in the order of its first appearance.
    private static func distinct(_ addresses: [IPAddress]) -> [IPAddress] {
        var seen: Set<IPAddress> = []
        return addresses.filter { seen.insert($0).inserted }
    }

    private static func firstOfEachFamily(_ addresses: [IPAddress]) -> [IPAddress] {
        Array(addresses.filter { !$0.isIPv6 }.prefix(maximumAddressesPerFamily))
            + addresses.filter(\.isIPv6).prefix(maximumAddressesPerFamily)
    }

    private func addresses(of host: String, type: RecordType) async -> Result<[IPAddress], DNSFailure> {
        let question = DNSQuestion(name: host, type: type)
        return await ask(question).map { answer in
            guard case .records(let data) = answer.content else { return [] }
            return data.compactMap(IPAddress.init(octets:))
        }
    }

    private func ask(_ question: DNSQuestion) async -> Result<DNSAnswer, DNSFailure> {
        do {
            return .success(try await resolver.resolve(question))
        } catch {
            return .failure(error)
        }
    }

    // MARK: The request

    private func fetch(
        _ domain: PolicyDomain, from host: PolicyHostReport, _ purpose: FetchPurpose
    ) async -> Result<PolicyResponse, PolicyFailure> {
        guard !host.dialled.isEmpty else { return .failure(.addressesRefused(refused: host.refused)) }
        let request = PolicyRequest(
            host: domain.policyHost, url: domain.policyURL, addresses: host.dialled, domain: domain.description,
            purpose: purpose)
        do {
            return .success(try await fetcher.fetch(request))
        } catch {
            return .failure(.fetch(error))
        }
    }

    private static func finding(in response: Result<PolicyResponse, PolicyFailure>) -> PolicyFinding {
        switch response {
        case .failure(let failure): return .failed(failure)
        case .success(let response):
            let mediaType = PolicyMediaType.check(response.contentTypes)
            guard mediaType == .textPlain else { return .failed(.mediaType(mediaType)) }
            do {
                return .policy(FetchedPolicy(policy: try STSPolicy(response.body), text: response.body))
            } catch {
                return .failed(.invalid(error))
            }
        }
    }

    private func timed<Value: Sendable>(_ work: () async -> Value) async -> (Value, Duration) {
        let start = ContinuousClock.now
        let value = await work()
        return (value, start.duration(to: .now))
    }
}

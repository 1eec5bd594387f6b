import MTASTS

/// Finds the policy of a domain: a TXT query, address queries, one HTTPS request, the parser (RFC 8461 §3).
///
/// Concurrency: A value without state. Any number of discoveries run at once.
/// Errors: Every failure is a case of the result. "Does not exist" and "lookup failed" are separate cases.
/// Not here: caching (PolicyCaching), the DNS and HTTPS protocols (UnboundDNS, CurlHTTPS).
package struct PolicyDiscovery: Sendable {
    private let resolver: any Resolver
    private let fetcher: any PolicyFetcher
    private let addressFilter: AddressFilter
    private let onEvent: OnDiscoveryEvent
    /// Where tasks with many discoveries should run; `nil` for Swift's own executor.
    package let executor: (any TaskExecutor)?

    package init(
        resolver: any Resolver, fetcher: any PolicyFetcher, addressFilter: AddressFilter = AddressFilter(),
        executor: (any TaskExecutor)? = nil,
        onEvent: @escaping OnDiscoveryEvent = { _ in }
    ) {
        self.resolver = resolver
        self.fetcher = fetcher
        self.addressFilter = addressFilter
        self.executor = executor
        self.onEvent = onEvent
    }

    /// Step one: one TXT query for `_mta-sts.DOMAIN`.
    package func record(of domain: PolicyDomain) async -> RecordReport {
        let report = await recordReport(on: domain)
        onEvent(.record(report))
        return report
    }

    private func recordReport(on domain: PolicyDomain) async -> RecordReport {
        let question = DNSQuestion(name: domain.recordName, type: .txt)
        let (answer, duration) = await timed { await resolve(question) }
        switch answer {
        case .success(let answer):
            return RecordReport(
                result: Self.result(from: answer), timeToLive: answer.timeToLive, aliases: answer.aliases,
                duration: duration)
        case .failure(let failure):
            return RecordReport(result: .failed(failure), timeToLive: 0, duration: duration)
        }
    }

    /// The number of addresses of one policy host that a fetch tries for each address family. A zone may list thousands of
    /// addresses, and they may belong to unrelated hosts.
    package static let maximumAddressesPerFamily = 4

    /// Step two: the addresses of the policy host, the request, the parser.
    package func policy(of domain: PolicyDomain, purpose: FetchPurpose = .firstContact) async -> PolicyReport {
        await policy(of: domain, at: policyHost(of: domain), purpose: purpose)
    }

    /// The first half of step two: finds the addresses of the policy host and filters them.
    package func policyHost(of domain: PolicyDomain) async -> PolicyHostReport {
        let (found, duration) = await timed { await addresses(of: domain.policyHost) }
        let all = Self.distinct((try? found.get()) ?? [])
        let permitted = all.filter(addressFilter.permits)
        let tried = Self.firstOfEachFamily(permitted)
        return PolicyHostReport(
            found: found, addresses: tried, notTried: permitted.filter { !tried.contains($0) },
            refused: all.filter { !addressFilter.permits($0) }, duration: duration)
    }

    /// The second half of step two: the request and the parser.
    package func policy(
        of domain: PolicyDomain, at host: PolicyHostReport, purpose: FetchPurpose = .firstContact
    ) async -> PolicyReport {
        let report = await policyReport(on: domain, host: host, purpose: purpose)
        onEvent(.policy(report))
        return report
    }

    private func policyReport(
        on domain: PolicyDomain, host: PolicyHostReport, purpose: FetchPurpose
    ) async -> PolicyReport {
        if case .failure(let failure) = host.found {
            return PolicyReport(result: .failed(failure), lookupDuration: host.duration)
        }
        let (response, duration) = await timed { await fetch(domain, from: host, purpose: purpose) }
        return PolicyReport(
            result: Self.result(from: response), addresses: host.addresses, notTried: host.notTried,
            refused: host.refused, response: try? response.get(), lookupDuration: host.duration,
            fetchDuration: duration)
    }

    // MARK: The record

    private static func result(from answer: DNSAnswer) -> RecordResult {
        switch answer.content {
        case .nameError: return .absent(.nameError)
        case .noData: return .absent(.noData)
        case .records(let data):
            let records = data.compactMap(TXTRecord.init(rdata:))
            guard records.count == data.count else {
                let cause = DNSError.Cause.malformedAnswer("TXT data ends inside a string")
                return .failed(DNSError(question: answer.question, cause: cause, servers: []))
            }
            switch STSRecord.select(from: records) {
            case .record(let record): return .published(record.id)
            case .noCandidate: return .absent(.noCandidate)
            case .severalCandidates(let count): return .absent(.several(count))
            case .invalid(let error): return .absent(.invalid(error))
            }
        }
    }

    // MARK: The addresses of the policy host

    /// Puts IPv4 first, so that a broken IPv6 path costs no time if the host has both.
    private func addresses(of host: String) async -> Result<[IPAddress], PolicyFetchError> {
        async let ipv4 = addresses(of: host, type: .a)
        async let ipv6 = addresses(of: host, type: .aaaa)
        switch (await ipv4, await ipv6) {
        case (.success(let ipv4), .success(let ipv6)):
            let all = ipv4 + ipv6
            return all.isEmpty ? .failure(.hostWithoutAddress) : .success(all)
        // One address family is enough. The failure of the other matters only if there is no address.
        case (.success(let some), .failure(let failure)), (.failure(let failure), .success(let some)):
            return some.isEmpty ? .failure(.hostLookup(failure)) : .success(some)
        case (.failure(let failure), .failure):
            return .failure(.hostLookup(failure))
        }
    }

    /// Removes duplicates and keeps the order.
    private static func distinct(_ addresses: [IPAddress]) -> [IPAddress] {
        var seen: Set<IPAddress> = []
        return addresses.filter { seen.insert($0).inserted }
    }

    private static func firstOfEachFamily(_ addresses: [IPAddress]) -> [IPAddress] {
        Array(addresses.filter { !$0.isIPv6 }.prefix(maximumAddressesPerFamily))
            + addresses.filter(\.isIPv6).prefix(maximumAddressesPerFamily)
    }

    private func addresses(of host: String, type: RecordType) async -> Result<[IPAddress], DNSError> {
        let question = DNSQuestion(name: host, type: type)
        return await resolve(question).map { answer in
            guard case .records(let data) = answer.content else { return [] }
            return data.compactMap(IPAddress.init(octets:))
        }
    }

    private func resolve(_ question: DNSQuestion) async -> Result<DNSAnswer, DNSError> {
        do {
            return .success(try await resolver.resolve(question))
        } catch {
            return .failure(error)
        }
    }

    // MARK: The request

    private func fetch(
        _ domain: PolicyDomain, from host: PolicyHostReport, purpose: FetchPurpose
    ) async -> Result<PolicyResponse, PolicyFetchError> {
        guard !host.addresses.isEmpty else { return .failure(.addressesRefused(firstOf: host.refused)) }
        let request = PolicyRequest(
            host: domain.policyHost, url: domain.policyURL, addresses: host.addresses, domain: domain.description,
            purpose: purpose)
        do {
            return .success(try await fetcher.fetch(request))
        } catch {
            return .failure(.fetch(error))
        }
    }

    private static func result(from response: Result<PolicyResponse, PolicyFetchError>) -> PolicyResult {
        switch response {
        case .failure(let failure): return .failed(failure)
        case .success(let response):
            let mediaType = PolicyMediaType.check(response.contentTypes)
            guard mediaType == .textPlain else { return .failed(.mediaType(mediaType)) }
            do {
                return .policy(try STSPolicy(response.body))
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

/// The end of one step of a discovery, for metrics.
package enum DiscoveryEvent: Sendable {
    case record(RecordReport)
    case policy(PolicyReport)
    case dane(DANEReport)
}

/// Called on the task of the discovery, before the discovery returns.
package typealias OnDiscoveryEvent = @Sendable (DiscoveryEvent) -> Void

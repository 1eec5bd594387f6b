import Discovery
import MTASTS
import Testing
import TestSupport

@Suite struct PolicyDiscoveryTests {
    let resolver = ScriptedResolver()
    let fetcher = ScriptedFetcher()
    let name = "example.com"

    var discovery: PolicyDiscovery { PolicyDiscovery(resolver: resolver, fetcher: fetcher) }

    // MARK: The record

    @Test func `STS-3.1-a one TXT query for _mta-sts. finds the record`() async throws {
        resolver.script(text: ["v=STSv1; id=20260101;"], at: "_mta-sts.example.com", timeToLive: 77)
        let report = await discovery.record(of: try domain(name))
        #expect(report.result == .published(try recordID("20260101")))
        #expect(report.timeToLive == 77)
        #expect(resolver.asked == [DNSQuestion(name: "_mta-sts.example.com", type: .txt)])
    }

    @Test func `NXDOMAIN, NODATA, other TXT, several and invalid records are different kinds of absence`()
        async throws
    {
        let cases: [(ScriptedResolver.Reply, RecordAbsence)] = [
            (.success(.nameError), .nameError), (.success(.noData), .noData),
            (.success(.records([txt("v=spf1 -all")])), .noCandidate),
            (.success(.records([txt("v=STSv1; id=1"), txt("v=STSv1; id=2")])), .several(2)),
        ]
        for (reply, absence) in cases {
            resolver.script("_mta-sts.example.com", type: .txt, reply: reply)
            #expect(await discovery.record(of: try domain(name)).result == .absent(absence))
        }
        resolver.script(text: ["v=STSv1; id=a-b"], at: "_mta-sts.example.com")
        guard case .absent(.invalid) = await discovery.record(of: try domain(name)).result else {
            Issue.record("not an invalid record")
            return
        }
    }

    @Test(arguments: [DNSError.Cause.responseCode(2), .timedOut(after: .seconds(5)), .aliasChainTooLong])
    func `STS-3.1-w a failing query is a failure, never an absence`(cause: DNSError.Cause) async throws {
        resolver.script("_mta-sts.example.com", type: .txt, reply: .failure(cause))
        guard case .failed(let failure) = await discovery.record(of: try domain(name)).result else {
            Issue.record("not a failure")
            return
        }
        #expect(failure.cause == cause)
        #expect("\(failure)".hasPrefix("_mta-sts.example.com TXT: "))
        #expect("\(failure)".hasSuffix("(servers 192.0.2.53)"))
    }

    @Test func `STS-3.1-p strings of one record are joined`() async throws {
        resolver.script("_mta-sts.example.com", type: .txt, reply: .success(.records([txt("v=STSv1; i") + txt("d=7")])))
        #expect(await discovery.record(of: try domain(name)).result == .published(try recordID("7")))
    }

    @Test func `incomplete TXT data is a malformed answer`() async throws {
        resolver.script("_mta-sts.example.com", type: .txt, reply: .success(.records([[200, 1]])))
        guard case .failed(let failure) = await discovery.record(of: try domain(name)).result else {
            Issue.record("not a failure")
            return
        }
        guard case .malformedAnswer = failure.cause else {
            Issue.record("not malformed")
            return
        }
    }

    // MARK: The policy

    @Test func `STS-3.2-a STS-8.2-a the fetch of the only URL tries the addresses of the policy host, IPv4 first`()
        async throws
    {
        resolver.script("mta-sts.example.com", type: .a, reply: .success(.records([[8, 8, 8, 8]])))
        let v6 = try address("2606:4700::1111")
        resolver.script("mta-sts.example.com", type: .aaaa, reply: .success(.records([v6.octets])))
        fetcher.script("mta-sts.example.com", reply: .success(policyText()))
        let report = await discovery.policy(of: try domain(name))
        guard case .policy(let fetched) = report.result else {
            Issue.record("no policy")
            return
        }
        #expect(fetched.mode == .enforce)
        #expect(fetched.octets == Array(policyText().utf8))
        #expect(
            fetcher.requests == [
                PolicyRequest(
                    host: "mta-sts.example.com", url: "https://mta-sts.example.com/.well-known/mta-sts.txt",
                    addresses: [try address("8.8.8.8"), v6], domain: name)
            ])
    }

    @Test func `special-purpose addresses are refused, and are an error if there are no others`() async throws {
        resolver.script("mta-sts.example.com", type: .a, reply: .success(.records([[127, 0, 0, 1], [8, 8, 8, 8]])))
        fetcher.script("mta-sts.example.com", reply: .success(policyText()))
        let report = await discovery.policy(of: try domain(name))
        #expect(report.addresses == [try address("8.8.8.8")])
        #expect(report.refused == [try address("127.0.0.1")])
        resolver.script("mta-sts.example.com", type: .a, reply: .success(.records([[169, 254, 169, 254]])))
        #expect(
            await discovery.policy(of: try domain(name)).result
                == .failed(.addressesRefused([try address("169.254.169.254")])))
        #expect(fetcher.requests.count == 1)
    }

    @Test func `of thousands of addresses the first four of each family are tried, and the rest is reported`()
        async throws
    {
        let v4: [[UInt8]] = (1...70).map { [8, 8, 8, UInt8($0)] }
        let v6: [[UInt8]] = try (1...70).map { try address("2606:4700::\($0)").octets }
        fetcher.script("mta-sts.example.com", reply: .success(policyText()))
        func expect(_ dialled: [[UInt8]], andNot rest: [[UInt8]], ipv4: [[UInt8]], ipv6: [[UInt8]]) async throws {
            resolver.script("mta-sts.example.com", type: .a, reply: .success(ipv4.isEmpty ? .noData : .records(ipv4)))
            resolver.script(
                "mta-sts.example.com", type: .aaaa, reply: .success(ipv6.isEmpty ? .noData : .records(ipv6)))
            let report = await discovery.policy(of: try domain(name))
            #expect(report.addresses.map(\.octets) == dialled)
            #expect(report.notTried.map(\.octets) == rest)
            #expect(fetcher.requests.last?.addresses == report.addresses)
        }
        let (first4, rest4) = (Array(v4.prefix(4)), Array(v4.dropFirst(4)))
        let (first6, rest6) = (Array(v6.prefix(4)), Array(v6.dropFirst(4)))
        try await expect(first4 + first6, andNot: rest4 + rest6, ipv4: v4, ipv6: v6)
        try await expect(first4, andNot: rest4, ipv4: v4, ipv6: [])
        try await expect(first6, andNot: rest6, ipv4: [], ipv6: v6)
        try await expect(first4 + [v6[0]], andNot: rest4, ipv4: v4, ipv6: [v6[0]])
        try await expect([v4[0]], andNot: [], ipv4: [v4[0], v4[0]], ipv6: [])
        try await expect(first4, andNot: [v4[4]], ipv4: first4 + first4 + [v4[4]], ipv6: [])
    }

    @Test func `special-purpose addresses do not count against the limit, and of thousands an error names three`()
        async throws
    {
        let refused: [[UInt8]] = (1...70).map { [127, 0, 0, UInt8($0)] }
        let dialled: [[UInt8]] = (1...4).map { [8, 8, 8, UInt8($0)] }
        resolver.script("mta-sts.example.com", type: .a, reply: .success(.records(refused + dialled)))
        fetcher.script("mta-sts.example.com", reply: .success(policyText()))
        let mixed = await discovery.policy(of: try domain(name))
        #expect(mixed.addresses.map(\.octets) == dialled)
        #expect(mixed.refused.map(\.octets) == refused)
        #expect(mixed.notTried.isEmpty)
        let refused6 = try (1...70).map { try address("fd00::\($0)").octets }
        let permitted6 = try (1...5).map { try address("2606:4700::\($0)").octets }
        resolver.script("mta-sts.example.com", type: .aaaa, reply: .success(.records(refused6 + permitted6)))
        let both = await discovery.policy(of: try domain(name))
        #expect(both.addresses.map(\.octets) == dialled + permitted6.prefix(4))
        #expect(both.notTried.map(\.octets) == [permitted6[4]])
        #expect(both.refused.map(\.octets) == refused + refused6)
        resolver.script("mta-sts.example.com", type: .aaaa, reply: .success(.noData))
        resolver.script("mta-sts.example.com", type: .a, reply: .success(.records(refused)))
        let report = await discovery.policy(of: try domain(name))
        #expect(report.refused.map(\.octets) == refused)
        #expect(report.result == .failed(.addressesRefused(Array(mixed.refused.prefix(3)))))
    }

    @Test func `one address family that answers is enough`() async throws {
        fetcher.script("mta-sts.example.com", reply: .success(policyText()))
        let v6 = try address("2606:4700::1111").octets
        let failing = ScriptedResolver.Reply.failure(.responseCode(2))
        for (a, aaaa) in [
            (failing, .success(.records([v6]))), (.success(.records([[8, 8, 8, 8]])), failing),
            (.success(.noData), .success(.records([v6]))),
        ] as [(ScriptedResolver.Reply, ScriptedResolver.Reply)] {
            resolver.script("mta-sts.example.com", type: .a, reply: a)
            resolver.script("mta-sts.example.com", type: .aaaa, reply: aaaa)
            guard case .policy = await discovery.policy(of: try domain(name)).result else {
                Issue.record("no policy")
                return
            }
        }
    }

    @Test func `no address and a failed address query are different errors`() async throws {
        resolver.script("mta-sts.example.com", type: .a, reply: .success(.noData))
        resolver.script("mta-sts.example.com", type: .aaaa, reply: .success(.nameError))
        #expect(await discovery.policy(of: try domain(name)).result == .failed(.hostWithoutAddress))
        resolver.script("mta-sts.example.com", type: .aaaa, reply: .failure(.responseCode(2)))
        guard case .failed(.hostLookup(let failure)) = await discovery.policy(of: try domain(name)).result else {
            Issue.record("not a lookup failure")
            return
        }
        #expect(failure.question.type == .aaaa)
        #expect(fetcher.requests.isEmpty)
    }

    @Test(arguments: [
        (FetchError.certificate(.nameMismatch), PolicyFetchError.Category.webPKIInvalid),
        (.transport(.timedOut(after: .seconds(30))), .fetchError), (.http(.status(404)), .fetchError),
        (.http(.status(301)), .fetchError), (.http(.tooLarge(limit: 65_536)), .fetchError),
    ])
    func `RPT-B-a RPT-B-b a certificate error has a separate category`(
        failure: FetchError, category: PolicyFetchError.Category
    ) async throws {
        resolver.script("mta-sts.example.com", type: .a, reply: .success(.records([[8, 8, 8, 8]])))
        fetcher.script("mta-sts.example.com", reply: .failure(failure))
        guard case .failed(let reason) = await discovery.policy(of: try domain(name)).result else {
            Issue.record("no failure")
            return
        }
        #expect(reason == .fetch(failure))
        #expect(reason.category == category)
    }

    @Test func `STS-3.2-b STS-3.2-d RPT-B-c media type and grammar are checked`() async throws {
        resolver.script("mta-sts.example.com", type: .a, reply: .success(.records([[8, 8, 8, 8]])))
        for mediaType in ["text/html", nil] {
            fetcher.script("mta-sts.example.com", reply: .success(policyText()), mediaType: mediaType)
            guard case .failed(.mediaType) = await discovery.policy(of: try domain(name)).result else {
                Issue.record("media type \(mediaType ?? "none") was taken")
                return
            }
        }
        fetcher.script("mta-sts.example.com", reply: .success("<html>"))
        guard case .failed(let failure) = await discovery.policy(of: try domain(name)).result else {
            Issue.record("HTML was taken")
            return
        }
        #expect(failure.category == .policyInvalid)
    }

    private func txt(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }
}

import DANE
import Discovery
import Testing
import TestSupport

@Suite struct DANEFindingTests {
    let lab = DANELab()

    @Test func `a finding lives for the least TTL among its answers`() async throws {
        lab.resolver.script("example.com", .mx, .secure(.records([mxData(10, "mx1.example.com")])), timeToLive: 900)
        lab.resolver.script("mx1.example.com", .a, .secure(DANELab.address), timeToLive: 800)
        lab.resolver.script("mx1.example.com", .aaaa, .secure(.noData), timeToLive: 600)
        lab.resolver.script("_25._tcp.mx1.example.com", .tlsa, .secure(DANELab.usableTLSA), timeToLive: 700)
        #expect(try await lab.finding().timeToLive == 600)
        lab.resolver.script("_25._tcp.mx1.example.com", .tlsa, .secure(DANELab.usableTLSA), timeToLive: 5)
        #expect(try await lab.finding().timeToLive == 5)
        lab.resolver.script("_25._tcp.mx1.example.com", .tlsa, DANELab.servfail)
        #expect(try await lab.finding().timeToLive == 600)
    }

    @Test func `a report shows every answer it met, in the order of the hosts`() async throws {
        lab.mx("mx1.example.com", "mx2.example.com", isSecure: false)
        lab.resolver.script("mx1.example.com", aliasOf: "host.example.net")
        lab.host("host.example.net", tlsa: DANELab.servfail)
        lab.resolver.script("mx2.example.com", .a, .insecure(.nameError), timeToLive: 60)
        lab.resolver.script("mx2.example.com", .aaaa, .failure(.responseCode(5)))
        let report = try await lab.report()
        #expect(
            report.steps.map(\.description) == [
                "example.com MX: insecure, 2 records, TTL 300",
                "mx1.example.com A: secure, 1 record, TTL 300, alias of host.example.net",
                "mx1.example.com AAAA: secure, no such record (NODATA), TTL 300, alias of host.example.net",
                "_25._tcp.host.example.net TLSA: SERVFAIL (servers 192.0.2.53)",
                "mx2.example.com A: insecure, no such name (NXDOMAIN), TTL 60",
                "mx2.example.com AAAA: REFUSED (servers 192.0.2.53)",
            ])
        #expect(report.hosts.map(\.count) == [3, 2])
    }

    @Test func `each judgement says why, with the section of the RFC`() {
        let failure = DNSFailure(
            question: DNSQuestion(name: "mx.example", type: .a), cause: .responseCode(2), servers: ["192.0.2.53"])
        let grounds: [HostFinding.Ground] = [
            .secureTLSA(
                base: "mx.example", TLSARecordSet(rdata: [[3, 1, 1] + Array(repeating: 7, count: 32), [1, 1, 1]])),
            .secureTLSA(base: "mx.example", TLSARecordSet(rdata: [[1, 1, 1]])), .insecureAddress, .noTLSA, .noAddress,
            .noHostName, .lookupFailed(failure),
        ]
        #expect(
            grounds.map(\.description) == [
                "1 of 2 secure TLSA records at mx.example usable (RFC 7672 section 2.2)",
                "none of 1 secure TLSA records at mx.example usable: TLS without authentication (RFC 7672 section 2.2)",
                "the address is not signed: TLSA is not asked for (RFC 7672 section 2.2.2)",
                "no secure TLSA record (RFC 7672 section 2.2.3)",
                "no address: nobody connects to it (RFC 7672 section 2.2.2)",
                "no host name: nobody connects to it, and DANE does not apply (RFC 7672 section 2.2)",
                "mx.example A: SERVFAIL (servers 192.0.2.53): no mail through this host for now (RFC 7672 section 2.1.2)",
            ])
    }

    @Test func `a reason is printable ASCII of at most 200 characters that keeps the question's type and the cause`()
        async throws
    {
        let long = [63, 63, 63, 50].map { String(repeating: "a", count: $0) }.joined(separator: ".")
        lab.mx(long)
        lab.host(long, tlsa: .failure(.bogus("ü\n" + String(repeating: "why ", count: 100))))
        let reason = try #require(try await lab.finding().reason)
        #expect(reason.utf8.count <= 200)
        #expect(reason.utf8.allSatisfy { (0x20...0x7E).contains($0) })
        #expect(reason.hasPrefix("_25._tcp.aaaaaa"))
        #expect(reason.contains(#"... TLSA: bogus: \xC3\xBC\x0Awhy why "#))
    }

    @Test func `the MX failure is the reason before any host's, the best host's before another's`() async throws {
        lab.mx("mx1.example.com", "mx2.example.com")
        lab.host("mx1.example.com", tlsa: .failure(.timedOut(after: .seconds(5))))
        lab.host("mx2.example.com", tlsa: DANELab.servfail)
        #expect(
            try await lab.finding().reason
                == "_25._tcp.mx1.example.com TLSA: no answer within 5 s (servers 192.0.2.53)")
    }
}

import DANE
import Discovery
import Testing
import TestSupport

@Suite struct DANEResultTests {
    let fixture = DANEFixture()

    @Test func `a result lives for the least TTL among its answers`() async throws {
        fixture.resolver.script(
            "example.com", type: .mx, reply: .secure(.records([mxData(10, name: "mx1.example.com")])), timeToLive: 900)
        fixture.resolver.script("mx1.example.com", type: .a, reply: .secure(DANEFixture.address), timeToLive: 800)
        fixture.resolver.script("mx1.example.com", type: .aaaa, reply: .secure(.noData), timeToLive: 600)
        fixture.resolver.script(
            "_25._tcp.mx1.example.com", type: .tlsa, reply: .secure(DANEFixture.usableTLSA), timeToLive: 700)
        #expect(try await fixture.result().timeToLive == 600)
        fixture.resolver.script(
            "_25._tcp.mx1.example.com", type: .tlsa, reply: .secure(DANEFixture.usableTLSA), timeToLive: 5)
        #expect(try await fixture.result().timeToLive == 5)
        fixture.resolver.script("_25._tcp.mx1.example.com", type: .tlsa, reply: DANEFixture.servfail)
        #expect(try await fixture.result().timeToLive == 600)
    }

    @Test func `a report shows every answer it met, in the order of the hosts`() async throws {
        fixture.mx("mx1.example.com", "mx2.example.com", isSecure: false)
        fixture.resolver.script("mx1.example.com", aliasOf: "host.example.net")
        fixture.host("host.example.net", tlsa: DANEFixture.servfail)
        fixture.resolver.script("mx2.example.com", type: .a, reply: .insecure(.nameError), timeToLive: 60)
        fixture.resolver.script("mx2.example.com", type: .aaaa, reply: .failure(.responseCode(5)))
        let report = try await fixture.report()
        #expect(
            report.queries.map(\.description) == [
                "example.com MX: insecure, 2 records, TTL 300",
                "mx1.example.com A: secure, 1 record, TTL 300, alias of host.example.net",
                "mx1.example.com AAAA: secure, no such record (NODATA), TTL 300, alias of host.example.net",
                "_25._tcp.host.example.net TLSA: SERVFAIL (servers 192.0.2.53)",
                "mx2.example.com A: insecure, no such name (NXDOMAIN), TTL 60",
                "mx2.example.com AAAA: REFUSED (servers 192.0.2.53)",
            ])
        #expect(report.hosts.map(\.count) == [3, 2])
    }

    @Test func `each status says why, with the section of the RFC`() {
        let failure = DNSError(
            question: DNSQuestion(name: "mx.example", type: .a), cause: .responseCode(2), servers: ["192.0.2.53"])
        let reasons: [MXHostResult.Reason] = [
            .secureTLSA(
                base: "mx.example", TLSARecordSet(rdata: [[3, 1, 1] + Array(repeating: 7, count: 32), [1, 1, 1]])),
            .secureTLSA(base: "mx.example", TLSARecordSet(rdata: [[1, 1, 1]])), .insecureAddress, .noTLSA, .noAddress,
            .noHostName, .lookupFailed(failure),
        ]
        #expect(
            reasons.map(\.description) == [
                "1 of 2 secure TLSA records at mx.example usable (RFC 7672 section 2.2)",
                "none of 1 secure TLSA records at mx.example usable: TLS without authentication (RFC 7672 section 2.2)",
                "the address is not signed, so TLSA is not queried (RFC 7672 section 2.2.2)",
                "no secure TLSA record (RFC 7672 section 2.2.3)",
                "no address, so DANE does not apply (RFC 7672 section 2.2.2)",
                "not a host name, so DANE does not apply (RFC 7672 section 2.2)",
                "mx.example A: SERVFAIL (servers 192.0.2.53): no mail through this host for now (RFC 7672 section 2.1.2)",
            ])
    }

    @Test func `a reason is printable ASCII of at most 200 characters that keeps the question's type and the cause`()
        async throws
    {
        let long = [63, 63, 63, 50].map { String(repeating: "a", count: $0) }.joined(separator: ".")
        fixture.mx(long)
        fixture.host(long, tlsa: .failure(.bogus("ü\n" + String(repeating: "why ", count: 100))))
        let reason = try #require(try await fixture.result().reason)
        #expect(reason.utf8.count <= 200)
        #expect(reason.utf8.allSatisfy { (0x20...0x7E).contains($0) })
        #expect(reason.hasPrefix("_25._tcp.aaaaaa"))
        #expect(reason.contains(#"... TLSA: bogus: \xC3\xBC\x0Awhy why "#))
    }

    @Test func `the MX failure is the reason before any host's, the best host's before another's`() async throws {
        fixture.mx("mx1.example.com", "mx2.example.com")
        fixture.host("mx1.example.com", tlsa: .failure(.timedOut(after: .seconds(5))))
        fixture.host("mx2.example.com", tlsa: DANEFixture.servfail)
        #expect(
            try await fixture.result().reason
                == "_25._tcp.mx1.example.com TLSA: no answer within 5 s (servers 192.0.2.53)")
    }
}

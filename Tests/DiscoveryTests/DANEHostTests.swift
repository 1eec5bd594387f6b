import DANE
import Discovery
import Testing
import TestSupport

/// One host: its addresses, its aliases, its TLSA records (RFC 7672 §2.2.2, §2.2.3).
@Suite struct DANEHostTests {
    let fixture = DANEFixture()
    let host = "mx1.example.com"
    let usable = MXHostResult.Reason.secureTLSA(base: "mx1.example.com", set(DANEFixture.usableTLSA))

    init() {
        fixture.mx(host)
    }

    static func set(_ content: DNSAnswer.Content) -> TLSARecordSet {
        guard case .records(let data) = content else { return TLSARecordSet(rdata: []) }
        return TLSARecordSet(rdata: data)
    }

    // MARK: Addresses

    @Test func `DANE-2.2-a DANE-2.2.2-e a secure address and a usable TLSA record at the host's own name`() async throws
    {
        fixture.host(host, tlsa: .secure(DANEFixture.usableTLSA))
        #expect(try await fixture.reason() == usable)
        #expect(fixture.asked(.tlsa) == ["_25._tcp.mx1.example.com"])
        #expect(fixture.resolver.count(.cname) == 0)
    }

    @Test func `DANE-2.2.2-b A and AAAA are queried at once, TLSA after both`() async throws {
        fixture.host(host, tlsa: .secure(DANEFixture.usableTLSA))
        let a = fixture.resolver.hold(host, type: .a)
        let aaaa = fixture.resolver.hold(host, type: .aaaa)
        async let report = fixture.report()
        await a.arrivals()
        await aaaa.arrivals()
        a.open()
        for _ in 0..<100 { await Task.yield() }
        #expect(fixture.resolver.count(.tlsa) == 0)
        aaaa.open()
        #expect(try await report.queries.map(\.question.type) == [.mx, .a, .aaaa, .tlsa])
        #expect(fixture.resolver.asked.last?.type == .tlsa)
        #expect(fixture.resolver.asked.count == 4)
    }

    @Test func `DANE-2.2.2-c TLSA is never queried below an insecure address, so its SERVFAIL has no effect`()
        async throws
    {
        fixture.host(host, isSecure: false, tlsa: DANEFixture.servfail)
        #expect(try await fixture.reason() == .insecureAddress)
        #expect(fixture.resolver.count(.tlsa) == 0)
    }

    @Test func `DANE-2.1.1-b an insecure address is no DANE, not an error`() async throws {
        fixture.mx(host, isSecure: false)
        fixture.host(host, isSecure: false)
        let result = try await fixture.result()
        #expect(result.isComplete)
        #expect(result.reason == nil)
        #expect(result.coverage(wasSigned: true) == .notApplicable)
    }

    @Test(arguments: [RecordType.a, .aaaa])
    func `the failure of one family has no effect if the other address is insecure`(family: RecordType) async throws {
        let content = family == .a ? DANEFixture.address6 : DANEFixture.address
        fixture.resolver.script(host, type: family == .a ? .aaaa : .a, reply: .insecure(content))
        fixture.resolver.script(host, type: family, reply: DANEFixture.servfail)
        #expect(try await fixture.reason() == .insecureAddress)
        #expect(fixture.resolver.count(.tlsa) == 0)
    }

    @Test(arguments: [RecordType.a, .aaaa])
    func `if one family fails, a secure address of the other is enough`(
        family: RecordType
    ) async throws {
        fixture.host(host, tlsa: .secure(DANEFixture.usableTLSA))
        let content = family == .a ? DANEFixture.address6 : DANEFixture.address
        fixture.resolver.script(host, type: family == .a ? .aaaa : .a, reply: .secure(content))
        fixture.resolver.script(host, type: family, reply: DANEFixture.servfail)
        let result = try await fixture.result()
        #expect(result.hosts.map(\.reason) == [usable])
        #expect(result.isComplete)
    }

    @Test func `one insecure address is enough for no DANE`() async throws {
        fixture.host(host, tlsa: .secure(DANEFixture.usableTLSA))
        fixture.resolver.script(host, type: .aaaa, reply: .insecure(DANEFixture.address6))
        #expect(try await fixture.reason() == .insecureAddress)
        #expect(fixture.resolver.count(.tlsa) == 0)
    }

    @Test func `DANE-2.2.2-d no address, with any kind of denial, is an absent host`() async throws {
        for a in [.secure(.noData), .insecure(.noData), .secure(.nameError), .insecure(.nameError)]
            as [ScriptedValidatingResolver.Reply]
        {
            fixture.resolver.script(host, type: .a, reply: a)
            fixture.resolver.script(host, type: .aaaa, reply: .secure(.noData))
            let result = try await fixture.result()
            #expect(result.hosts.map(\.status) == [.absent])
            #expect(result.isComplete)
            #expect(result.coverage(wasSigned: true) == .notApplicable)
        }
        #expect(fixture.resolver.count(.tlsa) == 0)
    }

    @Test(arguments: [
        DNSError.Cause.responseCode(2), .responseCode(5), .timedOut(after: .seconds(5)), .bogus("no signatures"),
        .malformedAnswer("short"), .aliasChainTooLong,
    ])
    func `DANE-2.1.1-c no address answer at all is a failure, whatever failed`(cause: DNSError.Cause) async throws {
        fixture.resolver.script(host, type: .a, reply: .failure(cause))
        fixture.resolver.script(host, type: .aaaa, reply: .failure(cause))
        let result = try await fixture.result()
        #expect(result.hosts.first?.failure?.cause == cause)
        #expect(result.hosts.first?.isSigned == false)
        #expect(fixture.resolver.count(.tlsa) == 0)
    }

    @Test func `an address of a wrong length is a malformed answer, not a host without address`() async throws {
        fixture.resolver.script(host, type: .a, reply: .secure(.records([[192, 0, 2, 1], [192, 0, 2]])))
        fixture.resolver.script(host, type: .aaaa, reply: .secure(.records([[192, 0, 2, 1]])))
        #expect(
            try await fixture.result().hosts.first?.failure?.cause == .malformedAnswer("A data of a wrong length"))
    }

    @Test func `with a secure denial an error may hide a signed host`() async throws {
        fixture.mx(host, isSecure: false)
        fixture.resolver.script(host, type: .a, reply: .secure(.noData))
        fixture.resolver.script(host, type: .aaaa, reply: DANEFixture.servfail)
        let result = try await fixture.result()
        #expect(result.hosts.first?.failure?.question.type == .aaaa)
        #expect(result.isSigned)
    }

    @Test func `with an insecure denial the host is unsigned, despite an error`() async throws {
        fixture.resolver.script(host, type: .a, reply: .insecure(.noData))
        fixture.resolver.script(host, type: .aaaa, reply: DANEFixture.servfail)
        #expect(try await fixture.reason() == .insecureAddress)
    }

    // MARK: Aliases

    @Test func `DANE-2.2.2-f a secure alias of a secure host: the expanded name is tried first`() async throws {
        fixture.resolver.script(host, aliasOf: "host.provider.example")
        fixture.host("host.provider.example", tlsa: .secure(DANEFixture.usableTLSA))
        fixture.resolver.script("_25._tcp.mx1.example.com", type: .tlsa, reply: .secure(DANEFixture.pkixTLSA))
        #expect(
            try await fixture.reason() == .secureTLSA(base: "host.provider.example", Self.set(DANEFixture.usableTLSA)))
        #expect(fixture.asked(.tlsa) == ["_25._tcp.host.provider.example"])
    }

    @Test func `DANE-2.2.2-f DANE-2.2.3-b and the original name after it, names in between never`() async throws {
        fixture.resolver.script(host, aliasOf: "middle.provider.example")
        fixture.resolver.script("middle.provider.example", aliasOf: "host.provider.example")
        fixture.host("host.provider.example", tlsa: .secure(.nameError))
        fixture.resolver.script("_25._tcp.mx1.example.com", type: .tlsa, reply: .secure(DANEFixture.usableTLSA))
        #expect(try await fixture.reason() == usable)
        #expect(fixture.asked(.tlsa) == ["_25._tcp.host.provider.example", "_25._tcp.mx1.example.com"])
        #expect(fixture.resolver.count(.cname) == 0)
    }

    @Test func `DANE-2.2.2-f DANE-2.1.3-b a secure alias of an insecure host: the original name alone`() async throws {
        fixture.resolver.script(host, aliasOf: "host.provider.example", isSecure: true)
        fixture.host("host.provider.example", isSecure: false, tlsa: .secure(DANEFixture.usableTLSA))
        fixture.resolver.script("_25._tcp.mx1.example.com", type: .tlsa, reply: .secure(DANEFixture.usableTLSA))
        let report = try await fixture.report()
        #expect(report.result.hosts.map(\.reason) == [usable])
        #expect(report.queries.map(\.question.type) == [.mx, .a, .aaaa, .cname, .tlsa])
        #expect(fixture.asked(.cname) == ["mx1.example.com"])
        #expect(fixture.asked(.tlsa) == ["_25._tcp.mx1.example.com"])
    }

    @Test func `a TLSA failure behind a secure alias of an insecure host matters: the alias is signed`() async throws {
        fixture.mx(host, isSecure: false)
        fixture.resolver.script(host, aliasOf: "host.provider.example")
        fixture.host("host.provider.example", isSecure: false)
        fixture.resolver.script("_25._tcp.mx1.example.com", type: .tlsa, reply: DANEFixture.servfail)
        let result = try await fixture.result()
        #expect(result.hosts.first?.failure?.question.type == .tlsa)
        #expect(result.isSigned)
    }

    @Test func `DANE-2.2.2-f an insecure alias is no DANE, even of a secure host`() async throws {
        fixture.resolver.script(host, aliasOf: "host.provider.example", isSecure: false)
        fixture.host("host.provider.example", tlsa: .secure(DANEFixture.usableTLSA))
        #expect(try await fixture.reason() == .insecureAddress)
        #expect(fixture.asked(.cname) == ["mx1.example.com"])
        #expect(fixture.resolver.count(.tlsa) == 0)
    }

    @Test func `DANE-2.1.3-a one insecure link between secure ones leaves the first zone alone to be asked`()
        async throws
    {
        fixture.resolver.script(host, aliasOf: "middle.unsigned.example")
        fixture.resolver.script("middle.unsigned.example", aliasOf: "host.provider.example", isSecure: false)
        fixture.host("host.provider.example", tlsa: .secure(DANEFixture.usableTLSA))
        #expect(try await fixture.reason() == .noTLSA)
        #expect(fixture.asked(.tlsa) == ["_25._tcp.mx1.example.com"])
    }

    @Test func `DANE-2.1.2-c the alias question failing is a failure of the host`() async throws {
        fixture.mx(host, isSecure: false)
        fixture.resolver.script(host, aliasOf: "host.provider.example", isSecure: false)
        fixture.resolver.script(host, type: .cname, reply: DANEFixture.servfail)
        fixture.host("host.provider.example", isSecure: false)
        let result = try await fixture.result()
        #expect(result.hosts.first?.failure?.question == DNSQuestion(name: host, type: .cname))
        #expect(!result.isSigned)
    }

    @Test func `DANE-2.1.3-c a loop of aliases is a failure`() async throws {
        fixture.resolver.script(host, aliasOf: "loop.example.com")
        fixture.resolver.script("loop.example.com", aliasOf: host)
        #expect(try await fixture.result().hosts.first?.failure?.cause == .aliasChainTooLong)
        #expect(fixture.resolver.asked.count == 3)
    }

    @Test func `a name in another case is no alias`() async throws {
        fixture.resolver.script(host, aliasOf: "MX1.example.COM", isSecure: true)
        fixture.resolver.script("MX1.example.COM", type: .a, reply: .secure(DANEFixture.address))
        #expect(try await fixture.reason() == .noTLSA)
        #expect(fixture.asked(.tlsa) == ["_25._tcp.mx1.example.com"])
    }

    // MARK: TLSA

    @Test func `DANE-2.2.3-a TLSA is asked for at the port of the destination`() async throws {
        fixture.host(host)
        fixture.resolver.script("_2525._tcp.mx1.example.com", type: .tlsa, reply: .secure(DANEFixture.usableTLSA))
        #expect(try await fixture.report(port: 2525).result.hosts.map(\.reason) == [usable])
        #expect(fixture.asked(.tlsa) == ["_2525._tcp.mx1.example.com"])
    }

    @Test func `DANE-2.2-d DANE-2.1.2-c a TLSA answer that fails below a secure address is a failure, never no DANE`()
        async throws
    {
        fixture.mx(host, isSecure: false)
        fixture.host(host, tlsa: DANEFixture.servfail)
        let result = try await fixture.result()
        #expect(result.hosts.first?.failure?.question.name == "_25._tcp.mx1.example.com")
        #expect(result.isSigned)
        #expect(result.coverage(wasSigned: false) == .unknown([.partial, .notApplicable]))
        #expect(result.reason == "_25._tcp.mx1.example.com TLSA: SERVFAIL (servers 192.0.2.53)")
    }

    @Test func `if the TLSA query of the expanded name fails, the original name is not tried`() async throws {
        fixture.resolver.script(host, aliasOf: "host.provider.example")
        fixture.host("host.provider.example", tlsa: .failure(.bogus("signature expired")))
        fixture.resolver.script("_25._tcp.mx1.example.com", type: .tlsa, reply: .secure(DANEFixture.usableTLSA))
        #expect(try await fixture.result().hosts.first?.failure?.cause == .bogus("signature expired"))
        #expect(fixture.resolver.count(.tlsa) == 1)
    }

    @Test func `DANE-2.2.3-b an alias at the TLSA name leaves the base domain as it is`() async throws {
        fixture.resolver.script(host, type: .a, reply: .secure(DANEFixture.address))
        fixture.resolver.script("_25._tcp.mx1.example.com", aliasOf: "tlsa201._dane.example.com")
        fixture.resolver.script("tlsa201._dane.example.com", type: .tlsa, reply: .secure(DANEFixture.usableTLSA))
        #expect(try await fixture.reason() == usable)
    }

    @Test func `an insecure TLSA answer is no TLSA for that candidate`() async throws {
        fixture.resolver.script(host, aliasOf: "host.provider.example")
        fixture.host("host.provider.example", tlsa: .insecure(DANEFixture.usableTLSA))
        fixture.resolver.script("_25._tcp.mx1.example.com", type: .tlsa, reply: .insecure(DANEFixture.usableTLSA))
        #expect(try await fixture.reason() == .noTLSA)
        #expect(fixture.resolver.count(.tlsa) == 2)
    }

    @Test func `DANE-2.2.3-c DANE-3.1.3-a DANE-2.2-b one secure TLSA record that is unusable is unusable, not none`()
        async throws
    {
        fixture.host(host, tlsa: .secure(DANEFixture.pkixTLSA))
        let result = try await fixture.result()
        #expect(result.hosts.map(\.status) == [.unusable])
        #expect(result.coverage(wasSigned: false) == .partial)
    }

    @Test func `DANE-6698-4.1-a malformed TLSA data is unusable, and other records stay usable`() async throws {
        fixture.host(host, tlsa: .secure(.records([[3, 1]])))
        #expect(try await fixture.result().hosts.map(\.status) == [.unusable])
        fixture.host(host, tlsa: .secure(.records([[3, 1], [3, 1, 1] + [UInt8](repeating: 7, count: 32)])))
        #expect(try await fixture.result().hosts.map(\.status) == [.usable])
    }

    @Test func `a TLSA name that is too long for DNS has no record`() async throws {
        let long = [63, 63, 63, 55].map { String(repeating: "a", count: $0) }.joined(separator: ".")
        fixture.mx(long)
        fixture.host(long, tlsa: .secure(DANEFixture.usableTLSA))
        #expect(try await fixture.reason() == .noTLSA)
        #expect(fixture.resolver.count(.tlsa) == 0)
    }
}

import DANE
import Discovery
import Testing
import TestSupport

/// One host: its addresses, its aliases, its TLSA records (RFC 7672 §2.2.2, §2.2.3).
@Suite struct DANEHostTests {
    let lab = DANELab()
    let host = "mx1.example.com"
    let usable = HostFinding.Ground.secureTLSA(base: "mx1.example.com", set(DANELab.usableTLSA))

    init() {
        lab.mx(host)
    }

    static func set(_ content: DNSAnswer.Content) -> TLSARecordSet {
        guard case .records(let data) = content else { return TLSARecordSet(rdata: []) }
        return TLSARecordSet(rdata: data)
    }

    // MARK: Addresses

    @Test func `DANE-2.2-a DANE-2.2.2-e a secure address and a usable TLSA record at the host's own name`() async throws
    {
        lab.host(host, tlsa: .secure(DANELab.usableTLSA))
        #expect(try await lab.ground() == usable)
        #expect(lab.asked(.tlsa) == ["_25._tcp.mx1.example.com"])
        #expect(lab.resolver.count(.cname) == 0)
    }

    @Test func `DANE-2.2.2-b A and AAAA are asked side by side, TLSA after both`() async throws {
        lab.host(host, tlsa: .secure(DANELab.usableTLSA))
        let a = lab.resolver.hold(host, .a)
        let aaaa = lab.resolver.hold(host, .aaaa)
        async let report = lab.report()
        await a.arrivals()
        await aaaa.arrivals()
        a.open()
        for _ in 0..<100 { await Task.yield() }
        #expect(lab.resolver.count(.tlsa) == 0)
        aaaa.open()
        #expect(try await report.steps.map(\.question.type) == [.mx, .a, .aaaa, .tlsa])
        #expect(lab.resolver.asked.last?.type == .tlsa)
        #expect(lab.resolver.asked.count == 4)
    }

    @Test func `DANE-2.2.2-c TLSA is never asked below an insecure address, so its SERVFAIL does no harm`() async throws
    {
        lab.host(host, isSecure: false, tlsa: DANELab.servfail)
        #expect(try await lab.ground() == .insecureAddress)
        #expect(lab.resolver.count(.tlsa) == 0)
    }

    @Test func `DANE-2.1.1-b an insecure address is no DANE, not an error`() async throws {
        lab.mx(host, isSecure: false)
        lab.host(host, isSecure: false)
        let finding = try await lab.finding()
        #expect(finding.isComplete)
        #expect(finding.reason == nil)
        #expect(finding.coverage(wasSigned: true) == .notApplicable)
    }

    @Test(arguments: [RecordType.a, .aaaa])
    func `one family that fails spoils nothing beside an insecure address`(family: RecordType) async throws {
        let content = family == .a ? DANELab.address6 : DANELab.address
        lab.resolver.script(host, family == .a ? .aaaa : .a, .insecure(content))
        lab.resolver.script(host, family, DANELab.servfail)
        #expect(try await lab.ground() == .insecureAddress)
        #expect(lab.resolver.count(.tlsa) == 0)
    }

    @Test(arguments: [RecordType.a, .aaaa])
    func `one family that fails beside a secure address leaves the other to go on with`(
        family: RecordType
    ) async throws {
        lab.host(host, tlsa: .secure(DANELab.usableTLSA))
        let content = family == .a ? DANELab.address6 : DANELab.address
        lab.resolver.script(host, family == .a ? .aaaa : .a, .secure(content))
        lab.resolver.script(host, family, DANELab.servfail)
        let finding = try await lab.finding()
        #expect(finding.hosts.map(\.ground) == [usable])
        #expect(finding.isComplete)
    }

    @Test func `one insecure address settles the host, whatever the other is`() async throws {
        lab.host(host, tlsa: .secure(DANELab.usableTLSA))
        lab.resolver.script(host, .aaaa, .insecure(DANELab.address6))
        #expect(try await lab.ground() == .insecureAddress)
        #expect(lab.resolver.count(.tlsa) == 0)
    }

    @Test func `DANE-2.2.2-d no address, denied in whatever way, is an absent host`() async throws {
        for a in [.secure(.noData), .insecure(.noData), .secure(.nameError), .insecure(.nameError)]
            as [ScriptedValidatingResolver.Reply]
        {
            lab.resolver.script(host, .a, a)
            lab.resolver.script(host, .aaaa, .secure(.noData))
            let finding = try await lab.finding()
            #expect(finding.hosts.map(\.judgement) == [.absent])
            #expect(finding.isComplete)
            #expect(finding.coverage(wasSigned: true) == .notApplicable)
        }
        #expect(lab.resolver.count(.tlsa) == 0)
    }

    @Test(arguments: [
        DNSFailure.Cause.responseCode(2), .responseCode(5), .timedOut(after: .seconds(5)), .bogus("no signatures"),
        .malformedAnswer("short"), .aliasChainTooLong,
    ])
    func `DANE-2.1.1-c no address answer at all is a failure, whatever failed`(cause: DNSFailure.Cause) async throws {
        lab.resolver.script(host, .a, .failure(cause))
        lab.resolver.script(host, .aaaa, .failure(cause))
        let finding = try await lab.finding()
        #expect(finding.hosts.first?.failure?.cause == cause)
        #expect(finding.hosts.first?.isSigned == false)
        #expect(lab.resolver.count(.tlsa) == 0)
    }

    @Test func `an address of a wrong length is a malformed answer, not a host without address`() async throws {
        lab.resolver.script(host, .a, .secure(.records([[192, 0, 2, 1], [192, 0, 2]])))
        lab.resolver.script(host, .aaaa, .secure(.records([[192, 0, 2, 1]])))
        #expect(
            try await lab.finding().hosts.first?.failure?.cause == .malformedAnswer("A data of a wrong length"))
    }

    @Test func `a secure denial beside an error hides a signed host: a failure that matters`() async throws {
        lab.mx(host, isSecure: false)
        lab.resolver.script(host, .a, .secure(.noData))
        lab.resolver.script(host, .aaaa, DANELab.servfail)
        let finding = try await lab.finding()
        #expect(finding.hosts.first?.failure?.question.type == .aaaa)
        #expect(finding.isSigned)
    }

    @Test func `an insecure denial beside an error says that the host is unsigned`() async throws {
        lab.resolver.script(host, .a, .insecure(.noData))
        lab.resolver.script(host, .aaaa, DANELab.servfail)
        #expect(try await lab.ground() == .insecureAddress)
    }

    // MARK: Aliases

    @Test func `DANE-2.2.2-f a secure alias of a secure host: the expanded name is tried first`() async throws {
        lab.resolver.script(host, aliasOf: "host.provider.example")
        lab.host("host.provider.example", tlsa: .secure(DANELab.usableTLSA))
        lab.resolver.script("_25._tcp.mx1.example.com", .tlsa, .secure(DANELab.pkixTLSA))
        #expect(
            try await lab.ground() == .secureTLSA(base: "host.provider.example", Self.set(DANELab.usableTLSA)))
        #expect(lab.asked(.tlsa) == ["_25._tcp.host.provider.example"])
    }

    @Test func `DANE-2.2.2-f DANE-2.2.3-b and the original name after it, names in between never`() async throws {
        lab.resolver.script(host, aliasOf: "middle.provider.example")
        lab.resolver.script("middle.provider.example", aliasOf: "host.provider.example")
        lab.host("host.provider.example", tlsa: .secure(.nameError))
        lab.resolver.script("_25._tcp.mx1.example.com", .tlsa, .secure(DANELab.usableTLSA))
        #expect(try await lab.ground() == usable)
        #expect(lab.asked(.tlsa) == ["_25._tcp.host.provider.example", "_25._tcp.mx1.example.com"])
        #expect(lab.resolver.count(.cname) == 0)
    }

    @Test func `DANE-2.2.2-f DANE-2.1.3-b a secure alias of an insecure host: the original name alone`() async throws {
        lab.resolver.script(host, aliasOf: "host.provider.example", isSecure: true)
        lab.host("host.provider.example", isSecure: false, tlsa: .secure(DANELab.usableTLSA))
        lab.resolver.script("_25._tcp.mx1.example.com", .tlsa, .secure(DANELab.usableTLSA))
        let report = try await lab.report()
        #expect(report.finding.hosts.map(\.ground) == [usable])
        #expect(report.steps.map(\.question.type) == [.mx, .a, .aaaa, .cname, .tlsa])
        #expect(lab.asked(.cname) == ["mx1.example.com"])
        #expect(lab.asked(.tlsa) == ["_25._tcp.mx1.example.com"])
    }

    @Test func `a TLSA failure behind a secure alias of an insecure host matters: the alias is signed`() async throws {
        lab.mx(host, isSecure: false)
        lab.resolver.script(host, aliasOf: "host.provider.example")
        lab.host("host.provider.example", isSecure: false)
        lab.resolver.script("_25._tcp.mx1.example.com", .tlsa, DANELab.servfail)
        let finding = try await lab.finding()
        #expect(finding.hosts.first?.failure?.question.type == .tlsa)
        #expect(finding.isSigned)
    }

    @Test func `DANE-2.2.2-f an insecure alias is no DANE, even of a secure host`() async throws {
        lab.resolver.script(host, aliasOf: "host.provider.example", isSecure: false)
        lab.host("host.provider.example", tlsa: .secure(DANELab.usableTLSA))
        #expect(try await lab.ground() == .insecureAddress)
        #expect(lab.asked(.cname) == ["mx1.example.com"])
        #expect(lab.resolver.count(.tlsa) == 0)
    }

    @Test func `DANE-2.1.3-a one insecure link between secure ones leaves the first zone alone to be asked`()
        async throws
    {
        lab.resolver.script(host, aliasOf: "middle.unsigned.example")
        lab.resolver.script("middle.unsigned.example", aliasOf: "host.provider.example", isSecure: false)
        lab.host("host.provider.example", tlsa: .secure(DANELab.usableTLSA))
        #expect(try await lab.ground() == .noTLSA)
        #expect(lab.asked(.tlsa) == ["_25._tcp.mx1.example.com"])
    }

    @Test func `DANE-2.1.2-c the alias question failing is a failure of the host`() async throws {
        lab.mx(host, isSecure: false)
        lab.resolver.script(host, aliasOf: "host.provider.example", isSecure: false)
        lab.resolver.script(host, .cname, DANELab.servfail)
        lab.host("host.provider.example", isSecure: false)
        let finding = try await lab.finding()
        #expect(finding.hosts.first?.failure?.question == DNSQuestion(name: host, type: .cname))
        #expect(!finding.isSigned)
    }

    @Test func `DANE-2.1.3-c a loop of aliases is a failure`() async throws {
        lab.resolver.script(host, aliasOf: "loop.example.com")
        lab.resolver.script("loop.example.com", aliasOf: host)
        #expect(try await lab.finding().hosts.first?.failure?.cause == .aliasChainTooLong)
        #expect(lab.resolver.asked.count == 3)
    }

    @Test func `a name in another case is no alias`() async throws {
        lab.resolver.script(host, aliasOf: "MX1.example.COM", isSecure: true)
        lab.resolver.script("MX1.example.COM", .a, .secure(DANELab.address))
        #expect(try await lab.ground() == .noTLSA)
        #expect(lab.asked(.tlsa) == ["_25._tcp.mx1.example.com"])
    }

    // MARK: TLSA

    @Test func `DANE-2.2.3-a TLSA is asked for at the port of the destination`() async throws {
        lab.host(host)
        lab.resolver.script("_2525._tcp.mx1.example.com", .tlsa, .secure(DANELab.usableTLSA))
        #expect(try await lab.report(port: 2525).finding.hosts.map(\.ground) == [usable])
        #expect(lab.asked(.tlsa) == ["_2525._tcp.mx1.example.com"])
    }

    @Test func `DANE-2.2-d DANE-2.1.2-c a TLSA answer that fails below a secure address is a failure, never no DANE`()
        async throws
    {
        lab.mx(host, isSecure: false)
        lab.host(host, tlsa: DANELab.servfail)
        let finding = try await lab.finding()
        #expect(finding.hosts.first?.failure?.question.name == "_25._tcp.mx1.example.com")
        #expect(finding.isSigned)
        #expect(finding.coverage(wasSigned: false) == .unknown([.partial, .notApplicable]))
        #expect(finding.reason == "_25._tcp.mx1.example.com TLSA: SERVFAIL (servers 192.0.2.53)")
    }

    @Test func `a TLSA answer that fails at the expanded name is not made good by the original one`() async throws {
        lab.resolver.script(host, aliasOf: "host.provider.example")
        lab.host("host.provider.example", tlsa: .failure(.bogus("signature expired")))
        lab.resolver.script("_25._tcp.mx1.example.com", .tlsa, .secure(DANELab.usableTLSA))
        #expect(try await lab.finding().hosts.first?.failure?.cause == .bogus("signature expired"))
        #expect(lab.resolver.count(.tlsa) == 1)
    }

    @Test func `DANE-2.2.3-b an alias at the TLSA name leaves the base domain as it is`() async throws {
        lab.resolver.script(host, .a, .secure(DANELab.address))
        lab.resolver.script("_25._tcp.mx1.example.com", aliasOf: "tlsa201._dane.example.com")
        lab.resolver.script("tlsa201._dane.example.com", .tlsa, .secure(DANELab.usableTLSA))
        #expect(try await lab.ground() == usable)
    }

    @Test func `an insecure TLSA answer is no TLSA for that candidate`() async throws {
        lab.resolver.script(host, aliasOf: "host.provider.example")
        lab.host("host.provider.example", tlsa: .insecure(DANELab.usableTLSA))
        lab.resolver.script("_25._tcp.mx1.example.com", .tlsa, .insecure(DANELab.usableTLSA))
        #expect(try await lab.ground() == .noTLSA)
        #expect(lab.resolver.count(.tlsa) == 2)
    }

    @Test func `DANE-2.2.3-c DANE-3.1.3-a DANE-2.2-b one secure TLSA record that is unusable is unusable, not none`()
        async throws
    {
        lab.host(host, tlsa: .secure(DANELab.pkixTLSA))
        let finding = try await lab.finding()
        #expect(finding.hosts.map(\.judgement) == [.unusable])
        #expect(finding.coverage(wasSigned: false) == .partial)
    }

    @Test func `DANE-6698-4.1-a malformed TLSA data is unusable, and spoils no good record beside it`() async throws {
        lab.host(host, tlsa: .secure(.records([[3, 1]])))
        #expect(try await lab.finding().hosts.map(\.judgement) == [.unusable])
        lab.host(host, tlsa: .secure(.records([[3, 1], [3, 1, 1] + [UInt8](repeating: 7, count: 32)])))
        #expect(try await lab.finding().hosts.map(\.judgement) == [.usable])
    }

    @Test func `a TLSA name that DNS cannot carry holds no record`() async throws {
        let long = [63, 63, 63, 55].map { String(repeating: "a", count: $0) }.joined(separator: ".")
        lab.mx(long)
        lab.host(long, tlsa: .secure(DANELab.usableTLSA))
        #expect(try await lab.ground() == .noTLSA)
        #expect(lab.resolver.count(.tlsa) == 0)
    }
}

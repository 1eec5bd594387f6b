import Discovery
import MTASTS
import Testing

@testable import Doctor

/// DNS servers and DNSSEC.
@Suite struct ResolverChecksTests {
    private static let one = NameServerAddress(host: "192.0.2.53")
    private static let two = NameServerAddress(host: "2001:db8::53", port: 5353)
    private static let good = NameServerProbe.Outcome.answered(code: 0, isAuthenticated: true)
    private static let unvalidated = NameServerProbe.Outcome.answered(code: 0, isAuthenticated: false)

    private static func checkup(
        _ change: (inout BridgeSetup) -> Void = { _ in }, dane: Bool = true
    ) throws -> ResolverCheckup {
        var setup = Healthy.setup
        change(&setup)
        let names = ProbeNames(
            domain: try #require(PolicyDomain("policy.example")), signed: DNSQuestion(name: "signed.example", type: .a),
            bogus: DNSQuestion(name: "bogus.example", type: .a),
            unsigned: DNSQuestion(name: "unsigned.example", type: .a))
        return ResolverCheckup(setup, names: names, isLookingForDANE: dane)
    }

    // MARK: name-servers

    private static func servers(_ facts: NameServerFacts...) throws -> [Finding] {
        try checkup().nameServers(.success(facts))
    }

    private static func facts(
        _ server: NameServerAddress = one, _ overUDP: NameServerProbe.Outcome = good,
        _ overTCP: NameServerProbe.Outcome = good
    ) -> NameServerFacts {
        NameServerFacts(server: server, overUDP: overUDP, overTCP: overTCP)
    }

    @Test func `servers that answer by both transports are ok, NXDOMAIN being an answer`() throws {
        let findings = try Self.servers(
            Self.facts(), Self.facts(Self.two, .answered(code: 3, isAuthenticated: false)))
        #expect(findings.severities == [.ok])
        #expect(findings.text.contains("192.0.2.53, 2001:db8::53@5353"))
    }

    @Test func `one dead server is a warning, all are a failure`() throws {
        let dead = NameServerProbe.Outcome.silent("no answer in time")
        let one = try Self.servers(Self.facts(), Self.facts(Self.two, dead))
        #expect(one.severities == [.warn])
        #expect(one.text.contains("asks the other servers"))
        let all = try Self.servers(
            Self.facts(Self.one, dead, dead), Self.facts(Self.two, .answered(code: 5, isAuthenticated: false)))
        #expect(all.severities == [.fail, .fail, .fail])
        #expect(all.text.contains("REFUSED"))
        #expect(try Self.checkup().nameServers(.failure(Unavailable("no resolv.conf"))).severities == [.fail])
    }

    @Test func `without resolv.conf 127.0.0.1 is asked, an unreadable one lists no server`() {
        #expect(NameServerList.missing.asked == .success([NameServerAddress(host: "127.0.0.1")]))
        #expect(NameServerList.servers([Self.two]).asked == .success([Self.two]))
        #expect(NameServerList.unreadable("it is a directory").asked == .failure(Unavailable("it is a directory")))
    }

    @Test func `no TCP is a warning`() throws {
        let findings = try Self.servers(Self.facts(Self.one, Self.good, .silent("Connection refused")))
        #expect(findings.severities == [.warn])
        #expect(findings.text.contains("over TCP (Connection refused)"))
    }

    // MARK: DNSSEC

    private static func answer(_ name: String, isSecure: Bool) -> ValidatedFinding {
        let question = DNSQuestion(name: name, type: .a)
        return .success(
            ValidatedAnswer(DNSAnswer(question: question, content: .noData, timeToLive: 60), isSecure: isSecure))
    }

    private static func failure(_ cause: DNSFailure.Cause) -> ValidatedFinding {
        .failure(DNSFailure(question: DNSQuestion(name: "x.example", type: .a), cause: cause, servers: ["192.0.2.53"]))
    }

    private static func dnssec(
        root: ValidatedFinding = failure(.responseCode(5)),
        signed: ValidatedFinding = answer("signed.example", isSecure: true),
        bogus: ValidatedFinding = failure(.bogus("wrong")),
        unsigned: ValidatedFinding = answer("unsigned.example", isSecure: false), dane: Bool = true,
        _ change: (inout BridgeSetup) -> Void = { _ in }
    ) throws -> [Severity] {
        try checkup(change, dane: dane)
            .dnssec(.success(DNSSECFacts(root: root, signed: signed, bogus: bogus, unsigned: unsigned))).severities
    }

    private static let timedOut = failure(.timedOut(after: .seconds(5)))

    @Test func `each name that is as it should be is ok`() throws {
        #expect(try Self.dnssec() == [.ok, .ok, .ok])
        #expect(try Self.dnssec(bogus: Self.failure(.responseCode(2))) == [.ok, .ok, .ok])
    }

    @Test func `stripped signatures warn, fail where DNSSEC was promised, and do not matter without DANE`() throws {
        for stripped in [Self.answer("signed.example", isSecure: false), Self.failure(.bogus("no DNSKEY"))] {
            #expect(try Self.dnssec(signed: stripped).first == .warn)
            #expect(try Self.dnssec(signed: stripped, dane: false).first == .skip)
            #expect(try Self.dnssec(signed: stripped) { $0.dnssec = .on }.first == .fail)
            #expect(try Self.dnssec(signed: stripped) { $0.choices.dane = .on }.first == .fail)
            // Then a refusal proves nothing.
            #expect(try Self.dnssec(signed: stripped)[1] == .unknown)
            #expect(try Self.dnssec(signed: stripped, dane: false)[1] == .skip)
        }
    }

    @Test func `one zone whose signatures do not hold is not taken for stripping while the root's do`() throws {
        let root = Self.answer(".", isSecure: true)
        let broken = Self.failure(.bogus("no signatures"))
        #expect(try Self.dnssec(root: root, signed: broken) == [.warn, .ok, .ok])
        #expect(try Self.dnssec(root: root, signed: broken) { $0.dnssec = .on }.first == .warn)
        #expect(try Self.dnssec(root: root, signed: broken, dane: false).first == .skip)
        #expect(try Self.dnssec(root: root, signed: Self.answer("signed.example", isSecure: false)).first == .unknown)
        let facts = DNSSECFacts(root: root, signed: broken, bogus: broken, unsigned: broken)
        let text = try Self.checkup().dnssec(.success(facts)).text
        #expect(text.contains("only names below") && !text.contains("strip"))
    }

    @Test func `a forged answer that is believed is a warning`() throws {
        for isSecure in [true, false] {
            let bogus = Self.answer("bogus.example", isSecure: isSecure)
            #expect(try Self.dnssec(bogus: bogus) == [.ok, .warn, .ok])
        }
    }

    @Test func `an unsigned name that is refused is a warning, one that is signed a bad choice`() throws {
        #expect(try Self.dnssec(unsigned: Self.failure(.bogus("no NSEC"))) == [.ok, .ok, .warn])
        #expect(
            try Self.dnssec(unsigned: Self.answer("unsigned.example", isSecure: true)) == [.ok, .ok, .unknown])
    }

    @Test func `what was not answered is unknown`() throws {
        #expect(
            try Self.dnssec(signed: Self.timedOut, bogus: Self.timedOut, unsigned: Self.timedOut)
                == [.unknown, .unknown, .unknown])
    }

    @Test func `switched off, nothing is judged; without a trust anchor nothing can be`() throws {
        #expect(try Self.dnssec(signed: Self.timedOut) { $0.dnssec = .off } == [.skip, .skip, .skip])
        let findings = try Self.checkup().dnssec(.failure(Unavailable("/usr/share/dns/root.key: No such file")))
        #expect(findings.severities == [.warn])
        #expect(findings.text.contains("root.key"))
    }

    // MARK: postfix-resolver

    private static func resolver(
        _ system: NameServerList = .servers([one]), jail: NameServerList? = nil,
        signed: [NameServerAddress: NameServerProbe.Outcome] = [one: good], dane: Bool = true,
        _ change: (inout BridgeSetup) -> Void = { _ in }
    ) throws -> [Finding] {
        try checkup(change, dane: dane).postfixResolver(
            PostfixResolverFacts(system: system, jail: jail, signed: signed), queueDirectory: Healthy.queue)
    }

    @Test func `the same servers, and they validate`() throws {
        #expect(try Self.resolver().severities == [.ok])
        #expect(try Self.resolver(jail: .servers([Self.one])).severities == [.ok])
        #expect(try Self.resolver(signed: [:], dane: false).severities == [.ok])
    }

    @Test func `a copy in the chroot that is old or missing is found`() throws {
        let old = try Self.resolver(jail: .servers([Self.two]), signed: [Self.two: Self.good])
        #expect(old.severities == [.warn])
        #expect(old.first?.remedy == Remedy(.shell, "cp /etc/resolv.conf /var/spool/postfix/etc/"))
        #expect(try Self.resolver(jail: .missing, dane: false).severities == [.fail])
        let local = NameServerAddress(host: "127.0.0.1")
        #expect(try Self.resolver(.servers([local]), jail: .missing, dane: false).severities == [.ok])
        #expect(try Self.resolver(jail: .unreadable("closed"), dane: false).severities == [.unknown])
    }

    @Test func `where DANE is answered, Postfix's resolver must validate`() throws {
        let blind = try Self.resolver(signed: [Self.one: Self.unvalidated])
        #expect(blind.severities == [.fail])
        #expect(blind.text.contains("AD bit"))
        #expect(try Self.resolver(signed: [Self.one: .silent("closed")]).severities == [.unknown])
        #expect(try Self.resolver(signed: [:]).severities == [.unknown])
        #expect(try Self.resolver(signed: [Self.one: Self.unvalidated], dane: false).severities == [.ok])
    }

    @Test func `two views of DNS are a warning where DANE is answered`() throws {
        let other = { (setup: inout BridgeSetup) in setup.nameServers = [Self.two] }
        #expect(try Self.resolver(other).severities == [.warn])
        #expect(try Self.resolver(dane: false, other).severities == [.ok])
    }

    @Test func `without Postfix on this host nothing is known`() throws {
        #expect(try Self.checkup().postfixResolver(nil, queueDirectory: Healthy.queue).severities == [.unknown])
    }
}

extension ResolverChecksTests {
    private static func resolver(_ change: (inout BridgeSetup) -> Void) throws -> [Finding] {
        try resolver(.servers([one]), change)
    }
}

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

    private static func checks(
        _ change: (inout DaemonConfiguration) -> Void = { _ in }, dane: Bool = true
    ) throws -> ResolverChecks {
        var setup = Healthy.setup
        change(&setup)
        let names = ProbeNames(
            domain: try #require(PolicyDomain("policy.example")), signed: DNSQuestion(name: "signed.example", type: .a),
            bogus: DNSQuestion(name: "bogus.example", type: .a),
            unsigned: DNSQuestion(name: "unsigned.example", type: .a))
        return ResolverChecks(setup, names: names, isLookingForDANE: dane)
    }

    // MARK: name-servers

    private static func servers(_ facts: NameServerResult...) throws -> [CheckResult] {
        try checks().nameServers(.success(facts))
    }

    private static func facts(
        _ server: NameServerAddress = one, overUDP: NameServerProbe.Outcome = good,
        overTCP: NameServerProbe.Outcome = good
    ) -> NameServerResult {
        NameServerResult(server: server, overUDP: overUDP, overTCP: overTCP)
    }

    @Test func `servers that answer over both transports are ok, and NXDOMAIN is an answer`() throws {
        let results = try Self.servers(
            Self.facts(), Self.facts(Self.two, overUDP: .answered(code: 3, isAuthenticated: false)))
        #expect(results.severities == [.ok])
        #expect(results.text.contains("192.0.2.53, 2001:db8::53@5353"))
    }

    @Test func `one dead server is a warning, all are a failure`() throws {
        let dead = NameServerProbe.Outcome.silent("no answer in time")
        let one = try Self.servers(Self.facts(), Self.facts(Self.two, overUDP: dead))
        #expect(one.severities == [.warn])
        #expect(one.text.contains("uses the other servers"))
        let all = try Self.servers(
            Self.facts(Self.one, overUDP: dead, overTCP: dead),
            Self.facts(Self.two, overUDP: .answered(code: 5, isAuthenticated: false)))
        #expect(all.severities == [.fail, .fail, .fail])
        #expect(all.text.contains("REFUSED"))
        #expect(try Self.checks().nameServers(.failure(UnavailableError("no resolv.conf"))).severities == [.fail])
    }

    @Test func `without resolv.conf 127.0.0.1 is used, an unreadable one lists no server`() {
        #expect(NameServerList.missing.inUse == .success([NameServerAddress(host: "127.0.0.1")]))
        #expect(NameServerList.servers([Self.two]).inUse == .success([Self.two]))
        #expect(NameServerList.unreadable("it is a directory").inUse == .failure(UnavailableError("it is a directory")))
    }

    @Test func `no TCP is a warning`() throws {
        let results = try Self.servers(Self.facts(Self.one, overUDP: Self.good, overTCP: .silent("Connection refused")))
        #expect(results.severities == [.warn])
        #expect(results.text.contains("over TCP (Connection refused)"))
    }

    // MARK: DNSSEC

    private static func answer(_ name: String, isSecure: Bool) -> ValidatedResult {
        let question = DNSQuestion(name: name, type: .a)
        return .success(
            ValidatedAnswer(DNSAnswer(question: question, content: .noData, timeToLive: 60), isSecure: isSecure))
    }

    private static func failure(_ cause: DNSError.Cause) -> ValidatedResult {
        .failure(DNSError(question: DNSQuestion(name: "x.example", type: .a), cause: cause, servers: ["192.0.2.53"]))
    }

    private static func dnssec(
        root: ValidatedResult = failure(.responseCode(5)),
        signed: ValidatedResult = answer("signed.example", isSecure: true),
        bogus: ValidatedResult = failure(.bogus("wrong")),
        unsigned: ValidatedResult = answer("unsigned.example", isSecure: false), dane: Bool = true,
        _ change: (inout DaemonConfiguration) -> Void = { _ in }
    ) throws -> [Severity] {
        try checks(change, dane: dane)
            .dnssec(.success(DNSSECResults(root: root, signed: signed, bogus: bogus, unsigned: unsigned))).severities
    }

    private static let timedOut = failure(.timedOut(after: .seconds(5)))

    @Test func `each name with the expected result is ok`() throws {
        #expect(try Self.dnssec() == [.ok, .ok, .ok])
        #expect(try Self.dnssec(bogus: Self.failure(.responseCode(2))) == [.ok, .ok, .ok])
    }

    @Test func `stripped signatures warn, fail if DNSSEC is on, and are skipped without DANE`() throws {
        for stripped in [Self.answer("signed.example", isSecure: false), Self.failure(.bogus("no DNSKEY"))] {
            #expect(try Self.dnssec(signed: stripped).first == .warn)
            #expect(try Self.dnssec(signed: stripped, dane: false).first == .skip)
            #expect(try Self.dnssec(signed: stripped) { $0.dnssec = .on }.first == .fail)
            #expect(try Self.dnssec(signed: stripped) { $0.options.dane = .on }.first == .fail)
            // Then a validation error proves nothing.
            #expect(try Self.dnssec(signed: stripped)[1] == .unknown)
            #expect(try Self.dnssec(signed: stripped, dane: false)[1] == .skip)
        }
    }

    @Test func `invalid signatures of one zone are no stripping while those of the root are valid`() throws {
        let root = Self.answer(".", isSecure: true)
        let broken = Self.failure(.bogus("no signatures"))
        #expect(try Self.dnssec(root: root, signed: broken) == [.warn, .ok, .ok])
        #expect(try Self.dnssec(root: root, signed: broken) { $0.dnssec = .on }.first == .warn)
        #expect(try Self.dnssec(root: root, signed: broken, dane: false).first == .skip)
        #expect(try Self.dnssec(root: root, signed: Self.answer("signed.example", isSecure: false)).first == .unknown)
        let facts = DNSSECResults(root: root, signed: broken, bogus: broken, unsigned: broken)
        let text = try Self.checks().dnssec(.success(facts)).text
        #expect(text.contains("only names below") && !text.contains("strip"))
    }

    @Test func `an accepted forged answer is a warning`() throws {
        for isSecure in [true, false] {
            let bogus = Self.answer("bogus.example", isSecure: isSecure)
            #expect(try Self.dnssec(bogus: bogus) == [.ok, .warn, .ok])
        }
    }

    @Test func `a refused unsigned name is a warning, a signed one is unknown`() throws {
        #expect(try Self.dnssec(unsigned: Self.failure(.bogus("no NSEC"))) == [.ok, .ok, .warn])
        #expect(
            try Self.dnssec(unsigned: Self.answer("unsigned.example", isSecure: true)) == [.ok, .ok, .unknown])
    }

    @Test func `a lookup without an answer is unknown`() throws {
        #expect(
            try Self.dnssec(signed: Self.timedOut, bogus: Self.timedOut, unsigned: Self.timedOut)
                == [.unknown, .unknown, .unknown])
    }

    @Test func `with DNSSEC off the checks are skipped; without a trust anchor they fail`() throws {
        #expect(try Self.dnssec(signed: Self.timedOut) { $0.dnssec = .off } == [.skip, .skip, .skip])
        let results = try Self.checks().dnssec(.failure(UnavailableError("/usr/share/dns/root.key: No such file")))
        #expect(results.severities == [.warn])
        #expect(results.text.contains("root.key"))
    }

    // MARK: postfix-resolver

    private static func resolver(
        _ system: NameServerList = .servers([one]), chroot: NameServerList? = nil,
        signed: [NameServerAddress: NameServerProbe.Outcome] = [one: good], dane: Bool = true,
        _ change: (inout DaemonConfiguration) -> Void = { _ in }
    ) throws -> [CheckResult] {
        try checks(change, dane: dane).postfixResolver(
            PostfixResolver(system: system, chroot: chroot, signed: signed), queueDirectory: Healthy.queue)
    }

    @Test func `the same servers, and they validate`() throws {
        #expect(try Self.resolver().severities == [.ok])
        #expect(try Self.resolver(chroot: .servers([Self.one])).severities == [.ok])
        #expect(try Self.resolver(signed: [:], dane: false).severities == [.ok])
    }

    @Test func `an old or missing copy in the chroot is reported`() throws {
        let old = try Self.resolver(chroot: .servers([Self.two]), signed: [Self.two: Self.good])
        #expect(old.severities == [.warn])
        #expect(old.first?.fix == Fix(.shell, line: "cp /etc/resolv.conf /var/spool/postfix/etc/"))
        #expect(try Self.resolver(chroot: .missing, dane: false).severities == [.fail])
        let local = NameServerAddress(host: "127.0.0.1")
        #expect(try Self.resolver(.servers([local]), chroot: .missing, dane: false).severities == [.ok])
        #expect(try Self.resolver(chroot: .unreadable("closed"), dane: false).severities == [.unknown])
    }

    @Test func `if the bridge answers with DANE, Postfix's resolver must validate`() throws {
        let blind = try Self.resolver(signed: [Self.one: Self.unvalidated])
        #expect(blind.severities == [.fail])
        #expect(blind.text.contains("AD bit"))
        #expect(try Self.resolver(signed: [Self.one: .silent("closed")]).severities == [.unknown])
        #expect(try Self.resolver(signed: [:]).severities == [.unknown])
        #expect(try Self.resolver(signed: [Self.one: Self.unvalidated], dane: false).severities == [.ok])
    }

    @Test func `different DNS servers are a warning if the bridge answers with DANE`() throws {
        let other = { (setup: inout DaemonConfiguration) in setup.nameServers = [Self.two] }
        #expect(try Self.resolver(other).severities == [.warn])
        #expect(try Self.resolver(dane: false, other).severities == [.ok])
    }

    @Test func `without Postfix on this host its resolver is unknown`() throws {
        #expect(try Self.checks().postfixResolver(nil, queueDirectory: Healthy.queue).severities == [.unknown])
    }
}

extension ResolverChecksTests {
    private static func resolver(_ change: (inout DaemonConfiguration) -> Void) throws -> [CheckResult] {
        try resolver(.servers([one]), change)
    }
}

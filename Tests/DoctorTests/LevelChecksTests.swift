import PostfixConfig
import PostfixTable
import Testing

@testable import Doctor

/// The site's own level, DANE, and TLS reports.
@Suite struct LevelChecksTests {
    @Test(arguments: [
        ("", Severity.warn), ("none", .warn), ("may", .ok), ("MAY", .ok), ("dane", .ok), ("encrypt", .ok),
        ("dane-only", .warn), ("secure", .warn), ("verify", .warn), ("fingerprint", .warn), ("always", .fail),
    ])
    func `each level has its severity`(level: String, severity: Severity) {
        let results = Healthy.results(.securityLevel, changes: ["smtp_tls_security_level": level])
        #expect(results.severities == [severity])
        #expect(results.first?.fix?.line == (severity == .ok ? nil : "smtp_tls_security_level = may"))
    }

    @Test func `the parameters from before 2 3 count if the level is empty`() {
        let none = ["smtp_tls_security_level": ""]
        #expect(
            Healthy.results(.securityLevel, changes: none.merging(["smtp_use_tls": "yes"]) { $1 }).text.contains(
                "= may"))
        #expect(
            Healthy.results(.securityLevel, changes: none.merging(["smtp_enforce_tls": "yes"]) { $1 }).text.contains(
                "= encrypt"))
    }

    @Test func `a configured level that differs from Postfix's is a warning`() {
        var setup = Healthy.setup
        setup.securityLevel = SecurityLevel("none")
        #expect(Healthy.results(.securityLevel, changes: [:], setup: setup).severities == [.ok])
        setup.securityLevel = SecurityLevel("encrypt")
        let results = Healthy.results(.securityLevel, changes: [:], setup: setup)
        #expect(results.severities == [.ok, .warn])
        #expect(results.last?.fix == Fix(.configuration, line: "postfix: { security-level: auto }"))
    }

    @Test(
        arguments: [
            ("may", "encrypt", "`dane` nowhere, though it could"), ("encrypt", "may", "`dane` where that weakens"),
            ("secure", "dane", "`dane-only` nowhere, though it could"),
            ("fingerprint", "verify", "`dane-only` in place of"),
            ("encrypt", "secure", nil), ("dane", "fingerprint", nil), ("may", "none", nil),
        ] as [(String, String, String?)])
    func `the warning names the replies about DANE at another level than Postfix's`(
        level: String, configured: String, difference: String?
    ) {
        var setup = Healthy.setup
        setup.securityLevel = SecurityLevel(configured)
        let results = Healthy.results(.securityLevel, changes: ["smtp_tls_security_level": level], setup: setup)
        #expect(results.count == (difference == nil ? 1 : 2))
        if let difference { #expect(results.text.contains(difference)) }
    }

    @Test(arguments: ["encrypt", "verify", "secure", "may", "dane", "dane-only", "fingerprint"])
    func `at a strict level the result mentions dane-only for complete DANE`(level: String) {
        let isStrict = ["encrypt", "verify", "secure"].contains(level)
        for validates in [false, true] {
            let parameters = [
                "smtp_tls_security_level": level, "smtp_dns_support_level": validates ? "dnssec" : "enabled",
            ]
            let text = Healthy.results(.securityLevel, changes: parameters).text
            #expect(text.contains("the bridge answers `dane-only` instead") == (isStrict && validates), "\(text)")
        }
        let parameters = [
            "smtp_tls_security_level": level, "smtp_dns_support_level": "dnssec",
            "smtp_tls_dane_insecure_mx_policy": "may",
        ]
        let severities = Healthy.results(.daneInsecureMX, changes: parameters).severities
        #expect(severities == [isStrict || level == "fingerprint" ? .skip : .warn])
    }

    // MARK: dns-support

    @Test func `DANE in both Postfix and the bridge, or in none, is ok`() {
        #expect(Healthy.results(.dnsSupport, changes: [:]).severities == [.skip])
        #expect(Healthy.results(.dnsSupport, changes: ["smtp_dns_support_level": "dnssec"]).severities == [.ok])
    }

    @Test func `DANE in Postfix alone is a warning that names the setting to change`() {
        let dnssec = ["smtp_dns_support_level": "dnssec"]
        var setup = Healthy.setup
        setup.options.dane = .off
        let off = Healthy.results(.dnsSupport, changes: dnssec, setup: setup)
        #expect(off.severities == [.warn])
        #expect(off.first?.fix?.line == "postfix: { dane: auto }")
        setup = Healthy.setup
        setup.dnssec = .off
        #expect(Healthy.results(.dnsSupport, changes: dnssec, setup: setup).first?.fix?.line == "dns: { dnssec: auto }")
        // A daemon in a container does not know a main.cf beside it.
        let apart = Healthy.results(.dnsSupport, in: Healthy.facts(Healthy.configuration(dnssec, source: .files)))
        #expect(apart.severities == [.warn])
        #expect(apart.first?.fix?.line == "postfix: { dane: \"on\" }")
    }

    @Test(arguments: ["dane", "dane-only"])
    func `a DANE level without dnssec fails`(level: String) {
        let results = Healthy.results(.dnsSupport, changes: ["smtp_tls_security_level": level])
        #expect(results.severities == [.fail])
        #expect(results.first?.fix == Fix(.mainCF, line: "smtp_dns_support_level = dnssec"))
    }

    @Test func `the conflicts that the daemon reports at its start are results, too`() {
        var setup = Healthy.setup
        setup.options.dane = .on
        #expect(Healthy.results(.dnsSupport, changes: [:], setup: setup).worst == .fail)
        setup = Healthy.setup
        setup.options.release = PostfixRelease(major: 3, minor: 12)
        let dialect = Healthy.results(.configuration, changes: [:], setup: setup)
        #expect(dialect.severities == [.fail])
        #expect(dialect.first?.fix?.line == "postfix: { version: auto }")
        setup = Healthy.setup
        setup.options.noPolicyReply = .cleartext
        #expect(Healthy.results(.configuration, changes: [:], setup: setup).severities == [.warn])
    }

    // MARK: Services that differ

    private static func facts(_ smtp: [String: String], main: [String: String] = [:]) -> PostfixInspection {
        Healthy.facts(
            Healthy.configuration(
                main.merging(["smtp_tls_dane_insecure_mx_policy": "may"]) { $1 },
                services: [Healthy.service("smtp", chroot: .no, overrides: smtp), Healthy.service("relay")]))
    }

    private static let dnssec = ["smtp_dns_support_level": "dnssec"]

    @Test func `STS-2-a: a service without DNSSEC beside one with it is not skipped`() {
        let facts = Self.facts(["smtp_dns_support_level": "enabled"], main: Self.dnssec)
        let results = Healthy.results(.dnsSupport, in: facts)
        #expect(results.severities == [.warn])
        #expect(results.text.contains("is dnssec for relay of master.cf and not for smtp"))
        #expect(results.first?.fix == Fix(.mainCF, line: "smtp_dns_support_level = dnssec"))
        // A daemon that looks for DANE nevertheless.
        var setup = Healthy.setup
        setup.daemonLooksForDANE = true
        #expect(Healthy.results(.dnsSupport, in: facts, setup: setup).worst == .fail)
        #expect(Healthy.results(.dnsSupport, in: facts, setup: setup).text.contains("defer mail on `dane-only`"))
        #expect(Healthy.results(.dnsSupport, in: Self.facts([:]), setup: setup).severities == [.fail])
    }

    @Test func `DNSSEC in master cf alone is DANE if all services have it, and a warning if not`() {
        #expect(Healthy.results(.dnsSupport, in: Self.facts(Self.dnssec)).severities == [.warn])
        let services = ["smtp", "relay"].map { Healthy.service($0, chroot: .no, overrides: Self.dnssec) }
        let all = Healthy.facts(Healthy.configuration(services: services))
        #expect(Healthy.results(.dnsSupport, in: all).severities == [.ok])
    }

    @Test func `a level in master cf is compared with the bridge's level`() {
        let facts = Self.facts(["smtp_tls_security_level": "encrypt"], main: Self.dnssec)
        let results = Healthy.results(.securityLevel, in: facts)
        #expect(results.worst == .warn)
        #expect(results.text.contains("smtp (encrypt), relay (may)"))
        #expect(results.text.contains("smtp_tls_security_level = encrypt"))
        #expect(Healthy.results(.daneInsecureMX, in: facts).severities == [.skip])
        // A daemon that does not know the level.
        var setup = Healthy.setup
        setup.daemonLooksForDANE = true
        setup.daemonSecurityLevel = SecurityLevel("may")
        let late = Healthy.results(.securityLevel, in: facts, setup: setup)
        #expect(late.text.contains("so it answers `dane` where this service demands encrypt"))
        #expect(late.contains { $0.services == ["smtp"] && $0.severity == .warn })
        #expect(Healthy.results(.daneInsecureMX, in: facts, setup: setup).severities == [.warn])
        // A daemon on a host without postconf.
        setup = Healthy.setup
        setup.options.dane = .on
        let apart = Healthy.configuration(
            ["smtp_tls_security_level": "encrypt", "smtp_dns_support_level": "dnssec"], source: .files)
        let result = Healthy.results(.securityLevel, in: Healthy.facts(apart), setup: setup).last
        #expect(result?.severity == .warn)
        #expect(result?.fix == Fix(.configuration, line: "postfix: { security-level: encrypt }"))
    }

    // MARK: TLS reports

    @Test func `reports need a level above none`() {
        let enabled = ["mail_version": "3.12.1", "smtp_tlsrpt_enable": "yes"]
        #expect(Healthy.results(.tlsReports, changes: enabled).severities == [.ok])
        for level in ["", "none"] {
            let results = Healthy.results(
                .tlsReports, changes: enabled.merging(["smtp_tls_security_level": level]) { $1 })
            #expect(results.severities == [.warn])
            #expect(results.first?.fix?.line == "smtp_tls_security_level = may")
        }
    }

    @Test func `the result names a Postfix that cannot send reports`() {
        #expect(Healthy.results(.tlsReports, changes: [:]).text.contains("has no TLS reports"))
        #expect(Healthy.results(.tlsReports, changes: ["mail_version": "3.12.1"]).text.contains("built without"))
        let could = ["mail_version": "3.12.1", "smtp_tlsrpt_enable": "no"]
        #expect(Healthy.results(.tlsReports, changes: could).text.contains("smtp_tlsrpt_enable = no"))
    }
}

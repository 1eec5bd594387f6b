import PostfixSettings
import PostfixTable
import Testing

@testable import Doctor

/// The site's own level, DANE beside us, and TLS reports.
@Suite struct LevelChecksTests {
    @Test(arguments: [
        ("", Severity.warn), ("none", .warn), ("may", .ok), ("MAY", .ok), ("dane", .ok), ("encrypt", .ok),
        ("dane-only", .warn), ("secure", .warn), ("verify", .warn), ("fingerprint", .warn), ("always", .fail),
    ])
    func `each level has its meaning`(level: String, severity: Severity) {
        let findings = Healthy.findings(.securityLevel, ["smtp_tls_security_level": level])
        #expect(findings.severities == [severity])
        #expect(findings.first?.remedy?.line == (severity == .ok ? nil : "smtp_tls_security_level = may"))
    }

    @Test func `the parameters of before 2 3 count where the level is empty`() {
        let none = ["smtp_tls_security_level": ""]
        #expect(Healthy.findings(.securityLevel, none.merging(["smtp_use_tls": "yes"]) { $1 }).text.contains("= may"))
        #expect(
            Healthy.findings(.securityLevel, none.merging(["smtp_enforce_tls": "yes"]) { $1 }).text.contains(
                "= encrypt"))
    }

    @Test func `a level that we were told, and that is not Postfix's, is a warning`() {
        var setup = Healthy.setup
        setup.securityLevel = SecurityLevel("none")
        #expect(Healthy.findings(.securityLevel, [:], setup).severities == [.ok])
        setup.securityLevel = SecurityLevel("encrypt")
        let findings = Healthy.findings(.securityLevel, [:], setup)
        #expect(findings.severities == [.ok, .warn])
        #expect(findings.last?.remedy == Remedy(.configuration, "postfix: { security-level: auto }"))
    }

    @Test(
        arguments: [
            ("may", "encrypt", "`dane` nowhere, though it could"), ("encrypt", "may", "`dane` where that weakens"),
            ("secure", "dane", "`dane-only` nowhere, though it could"),
            ("fingerprint", "verify", "`dane-only` in place of"),
            ("encrypt", "secure", nil), ("dane", "fingerprint", nil), ("may", "none", nil),
        ] as [(String, String, String?)])
    func `what the bridge answers about DANE at another level than Postfix's is named`(
        level: String, told: String, difference: String?
    ) {
        var setup = Healthy.setup
        setup.securityLevel = SecurityLevel(told)
        let findings = Healthy.findings(.securityLevel, ["smtp_tls_security_level": level], setup)
        #expect(findings.count == (difference == nil ? 1 : 2))
        if let difference { #expect(findings.text.contains(difference)) }
    }

    @Test(arguments: ["encrypt", "verify", "secure", "may", "dane", "dane-only", "fingerprint"])
    func `at a strict level it is said that complete DANE is answered with dane-only`(level: String) {
        let isStrict = ["encrypt", "verify", "secure"].contains(level)
        for validates in [false, true] {
            let parameters = [
                "smtp_tls_security_level": level, "smtp_dns_support_level": validates ? "dnssec" : "enabled",
            ]
            let text = Healthy.findings(.securityLevel, parameters).text
            #expect(text.contains("the bridge answers `dane-only` instead") == (isStrict && validates), "\(text)")
        }
        let parameters = [
            "smtp_tls_security_level": level, "smtp_dns_support_level": "dnssec",
            "smtp_tls_dane_insecure_mx_policy": "may",
        ]
        let severities = Healthy.findings(.daneInsecureMX, parameters).severities
        #expect(severities == [isStrict || level == "fingerprint" ? .skip : .warn])
    }

    // MARK: dns-support

    @Test func `DANE on both sides, or on none, is ok`() {
        #expect(Healthy.findings(.dnsSupport, [:]).severities == [.skip])
        #expect(Healthy.findings(.dnsSupport, ["smtp_dns_support_level": "dnssec"]).severities == [.ok])
    }

    @Test func `Postfix's DANE without ours is a warning that names what switched ours off`() {
        let dnssec = ["smtp_dns_support_level": "dnssec"]
        var setup = Healthy.setup
        setup.choices.dane = .off
        let off = Healthy.findings(.dnsSupport, dnssec, setup)
        #expect(off.severities == [.warn])
        #expect(off.first?.remedy?.line == "postfix: { dane: auto }")
        setup = Healthy.setup
        setup.dnssec = .off
        #expect(Healthy.findings(.dnsSupport, dnssec, setup).first?.remedy?.line == "dns: { dnssec: auto }")
        // The daemon of a container knows nothing of a main.cf beside it.
        let apart = Healthy.findings(.dnsSupport, Healthy.facts(Healthy.survey(dnssec, source: .files)))
        #expect(apart.severities == [.warn])
        #expect(apart.first?.remedy?.line == "postfix: { dane: \"on\" }")
    }

    @Test(arguments: ["dane", "dane-only"])
    func `a level of DANE without dnssec is none`(level: String) {
        let findings = Healthy.findings(.dnsSupport, ["smtp_tls_security_level": level])
        #expect(findings.severities == [.fail])
        #expect(findings.first?.remedy == Remedy(.mainCF, "smtp_dns_support_level = dnssec"))
    }

    @Test func `what stops or warns the daemon's start is found too`() {
        var setup = Healthy.setup
        setup.choices.dane = .on
        #expect(Healthy.findings(.dnsSupport, [:], setup).worst == .fail)
        setup = Healthy.setup
        setup.choices.release = PostfixRelease(major: 3, minor: 12)
        let dialect = Healthy.findings(.configuration, [:], setup)
        #expect(dialect.severities == [.fail])
        #expect(dialect.first?.remedy?.line == "postfix: { version: auto }")
        setup = Healthy.setup
        setup.choices.noPolicyReply = .cleartext
        #expect(Healthy.findings(.configuration, [:], setup).severities == [.warn])
    }

    // MARK: Services that differ

    private static func facts(_ smtp: [String: String], _ main: [String: String] = [:]) -> PostfixFacts {
        Healthy.facts(
            Healthy.survey(
                main.merging(["smtp_tls_dane_insecure_mx_policy": "may"]) { $1 },
                services: [Healthy.service("smtp", chroot: .no, smtp), Healthy.service("relay")]))
    }

    private static let dnssec = ["smtp_dns_support_level": "dnssec"]

    @Test func `STS-2-a: a service without DNSSEC beside one with it is no skip`() {
        let facts = Self.facts(["smtp_dns_support_level": "enabled"], Self.dnssec)
        let findings = Healthy.findings(.dnsSupport, facts)
        #expect(findings.severities == [.warn])
        #expect(findings.text.contains("is dnssec for relay of master.cf and not for smtp"))
        #expect(findings.first?.remedy == Remedy(.mainCF, "smtp_dns_support_level = dnssec"))
        // A daemon that looks for DANE all the same.
        var setup = Healthy.setup
        setup.daemonLooksForDANE = true
        #expect(Healthy.findings(.dnsSupport, facts, setup).worst == .fail)
        #expect(Healthy.findings(.dnsSupport, facts, setup).text.contains("hold mail on `dane-only`"))
        #expect(Healthy.findings(.dnsSupport, Self.facts([:]), setup).severities == [.fail])
    }

    @Test func `DNSSEC in master cf alone is DANE if all services have it, and a warning if not`() {
        #expect(Healthy.findings(.dnsSupport, Self.facts(Self.dnssec)).severities == [.warn])
        let services = ["smtp", "relay"].map { Healthy.service($0, chroot: .no, Self.dnssec) }
        let all = Healthy.facts(Healthy.survey(services: services))
        #expect(Healthy.findings(.dnsSupport, all).severities == [.ok])
    }

    @Test func `a level in master cf is compared with what the bridge goes by`() {
        let facts = Self.facts(["smtp_tls_security_level": "encrypt"], Self.dnssec)
        let findings = Healthy.findings(.securityLevel, facts)
        #expect(findings.worst == .warn)
        #expect(findings.text.contains("smtp (encrypt), relay (may)"))
        #expect(findings.text.contains("smtp_tls_security_level = encrypt"))
        #expect(Healthy.findings(.daneInsecureMX, facts).severities == [.skip])
        // A daemon that has not seen it.
        var setup = Healthy.setup
        setup.daemonLooksForDANE = true
        setup.daemonSecurityLevel = SecurityLevel("may")
        let late = Healthy.findings(.securityLevel, facts, setup)
        #expect(late.text.contains("so it answers `dane` where this service demands encrypt"))
        #expect(late.contains { $0.services == ["smtp"] && $0.severity == .warn })
        #expect(Healthy.findings(.daneInsecureMX, facts, setup).severities == [.warn])
        // One beside which there is no postconf.
        setup = Healthy.setup
        setup.choices.dane = .on
        let apart = Healthy.survey(
            ["smtp_tls_security_level": "encrypt", "smtp_dns_support_level": "dnssec"], source: .files)
        let finding = Healthy.findings(.securityLevel, Healthy.facts(apart), setup).last
        #expect(finding?.severity == .warn)
        #expect(finding?.remedy == Remedy(.configuration, "postfix: { security-level: encrypt }"))
    }

    // MARK: TLS reports

    @Test func `reports need a level above none`() {
        let enabled = ["mail_version": "3.12.1", "smtp_tlsrpt_enable": "yes"]
        #expect(Healthy.findings(.tlsReports, enabled).severities == [.ok])
        for level in ["", "none"] {
            let findings = Healthy.findings(.tlsReports, enabled.merging(["smtp_tls_security_level": level]) { $1 })
            #expect(findings.severities == [.warn])
            #expect(findings.first?.remedy?.line == "smtp_tls_security_level = may")
        }
    }

    @Test func `whether this Postfix can report at all is said`() {
        #expect(Healthy.findings(.tlsReports, [:]).text.contains("has no TLS reports"))
        #expect(Healthy.findings(.tlsReports, ["mail_version": "3.12.1"]).text.contains("built without"))
        let could = ["mail_version": "3.12.1", "smtp_tlsrpt_enable": "no"]
        #expect(Healthy.findings(.tlsReports, could).text.contains("smtp_tlsrpt_enable = no"))
    }
}

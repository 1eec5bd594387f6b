import PostfixSettings
import Testing

@testable import Doctor

/// What Postfix does by itself, and what is known of it at all.
@Suite struct RiskChecksTests {
    @Test func `a fallback relay is a warning`() {
        #expect(Healthy.findings(.fallbackRelay, [:]).severities == [.ok])
        let findings = Healthy.findings(.fallbackRelay, ["smtp_fallback_relay": "[relay.example]"])
        #expect(findings.severities == [.warn])
        #expect(findings.text.contains("[relay.example]"))
        #expect(findings.first?.remedy == Remedy(.mainCF, "smtp_fallback_relay = "))
    }

    @Test func `kept TLS sessions are told, with their time`() {
        let findings = Healthy.findings(
            .sessionCache,
            ["smtp_tls_session_cache_database": "btree:x", "smtp_tls_session_cache_timeout": "1800s"])
        #expect(findings.severities == [.ok])
        #expect(findings.text.contains("1800s"))
    }

    @Test func `MX patterns that are not compared are a warning where they could be`() {
        let name = "smtp_tls_enforce_sts_mx_patterns"
        #expect(Healthy.findings(.mxPatterns, [:]).severities == [.skip])
        #expect(Healthy.findings(.mxPatterns, [name: "yes"]).severities == [.ok])
        let findings = Healthy.findings(.mxPatterns, [name: "no"])
        #expect(findings.severities == [.warn])
        #expect(findings.first?.remedy?.line == "\(name) = yes")
    }

    @Test func `without postconf, or with a version nobody can read, that is said`() {
        #expect(Healthy.findings(.postfix, [:]).severities == [.ok])
        #expect(Healthy.findings(.postfix, ["mail_version": "new"]).severities == [.unknown])
        let files = Healthy.findings(.postfix, Healthy.facts(Healthy.survey(source: .files)))
        #expect(files.severities == [.unknown])
        #expect(files.text.contains("/etc/postfix/main.cf is read as a file"))
    }

    // MARK: Where mail goes

    @Test(arguments: [
        ([:], Severity.ok), (["default_transport": "smtp"], .ok), (["default_transport": "smtp:"], .ok),
        (["relayhost": "[smtp.provider.example]:587"], .warn), (["default_transport": "smtp:[relay.example]"], .warn),
        (["sender_dependent_relayhost_maps": "hash:/etc/postfix/senders"], .warn),
    ])
    func `a relay for all mail is a warning: no recipient's domain is asked for`(
        changes: [String: String], severity: Severity
    ) {
        #expect(Healthy.findings(.relayhost, changes).severities == [severity])
    }

    @Test(arguments: [
        ("example.com", Postmap.Answer.notFound, Severity.ok), ("*", .found("smtp:[relay.example]"), .warn),
        ("*", .found("smtp:"), .ok), ("example.com", .found("smtp:[relay.example]:587"), .warn),
        ("*", .failed("fatal: open database"), .fail), ("*", .notAsked("no postmap"), .unknown),
    ])
    func `a transport table that takes mail elsewhere is a warning`(
        key: String, answer: Postmap.Answer, severity: Severity
    ) {
        let table = "hash:/etc/postfix/transport"
        let survey = Healthy.survey(["transport_maps": table])
        let facts = PostfixFacts(
            survey: survey, owner: Healthy.postfix, clients: Healthy.facts().clients,
            transports: [TransportFacts(table: table, key: key, answer: answer)])
        #expect(Healthy.findings(.transportMaps, facts).severities == [severity])
        #expect(Healthy.findings(.transportMaps, [:]).severities == [.skip])
    }

    @Test(arguments: [("may", Severity.warn), ("encrypt", .warn), ("dane", .ok), ("-", .skip)])
    func `with DANE a policy that lets unsigned MX records off is a warning`(policy: String, severity: Severity) {
        let name = "smtp_tls_dane_insecure_mx_policy"
        let findings = Healthy.findings(.daneInsecureMX, ["smtp_dns_support_level": "dnssec", name: policy])
        #expect(findings.severities == [severity])
        #expect(findings.first?.remedy?.line == (severity == .warn ? "\(name) = dane" : nil))
        #expect(Healthy.findings(.daneInsecureMX, [name: policy]).severities == [.skip])
    }
}

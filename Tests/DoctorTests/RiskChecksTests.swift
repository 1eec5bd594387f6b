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
        #expect(Healthy.findings(.mxPatterns, [:]).severities == [.ok])
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
}

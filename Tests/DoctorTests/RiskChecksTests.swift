import PostfixConfig
import Testing

@testable import Doctor

/// Settings with which Postfix weakens replies or does not use them.
@Suite struct RiskChecksTests {
    @Test func `a fallback relay is a warning`() {
        #expect(Healthy.results(.fallbackRelay, changes: [:]).severities == [.ok])
        let results = Healthy.results(.fallbackRelay, changes: ["smtp_fallback_relay": "[relay.example]"])
        #expect(results.severities == [.warn])
        #expect(results.text.contains("[relay.example]"))
        #expect(results.first?.fix == Fix(.mainCF, line: "smtp_fallback_relay = "))
    }

    @Test func `a TLS session cache is reported with its timeout`() {
        let results = Healthy.results(
            .sessionCache,
            changes: ["smtp_tls_session_cache_database": "btree:x", "smtp_tls_session_cache_timeout": "1800s"])
        #expect(results.severities == [.ok])
        #expect(results.text.contains("1800s"))
    }

    @Test func `MX patterns that are not compared are a warning if Postfix could`() {
        let name = "smtp_tls_enforce_sts_mx_patterns"
        #expect(Healthy.results(.mxPatterns, changes: [:]).severities == [.skip])
        #expect(Healthy.results(.mxPatterns, changes: [name: "yes"]).severities == [.ok])
        let results = Healthy.results(.mxPatterns, changes: [name: "no"])
        #expect(results.severities == [.warn])
        #expect(results.first?.fix?.line == "\(name) = yes")
    }

    @Test func `a missing postconf or an unknown version is reported`() {
        #expect(Healthy.results(.postfix, changes: [:]).severities == [.ok])
        #expect(Healthy.results(.postfix, changes: ["mail_version": "new"]).severities == [.unknown])
        let files = Healthy.results(.postfix, in: Healthy.facts(Healthy.configuration(source: .files)))
        #expect(files.severities == [.unknown])
        #expect(files.text.contains("/etc/postfix/main.cf is read as a file"))
    }

    // MARK: Where mail goes

    @Test(arguments: [
        ([:], Severity.ok), (["default_transport": "smtp"], .ok), (["default_transport": "smtp:"], .ok),
        (["relayhost": "[smtp.provider.example]:587"], .warn), (["default_transport": "smtp:[relay.example]"], .warn),
        (["sender_dependent_relayhost_maps": "hash:/etc/postfix/senders"], .warn),
    ])
    func `a relay for all mail is a warning: no recipient's domain is looked up`(
        changes: [String: String], severity: Severity
    ) {
        #expect(Healthy.results(.relayhost, changes: changes).severities == [severity])
    }

    @Test(arguments: [
        ("example.com", Postmap.Answer.notFound, Severity.ok), ("*", .found("smtp:[relay.example]"), .warn),
        ("*", .found("smtp:"), .ok), ("example.com", .found("smtp:[relay.example]:587"), .warn),
        ("*", .failed("fatal: open database"), .fail), ("*", .unknown("no postmap"), .unknown),
    ])
    func `a transport table that redirects mail is a warning`(
        key: String, answer: Postmap.Answer, severity: Severity
    ) {
        let table = "hash:/etc/postfix/transport"
        let configuration = Healthy.configuration(["transport_maps": table])
        let facts = PostfixInspection(
            configuration: configuration, owner: Healthy.postfix, clients: Healthy.facts().clients,
            transports: [TransportLookup(table: table, key: key, answer: answer)])
        #expect(Healthy.results(.transportMaps, in: facts).severities == [severity])
        #expect(Healthy.results(.transportMaps, changes: [:]).severities == [.skip])
    }

    @Test(arguments: [("may", Severity.warn), ("encrypt", .warn), ("dane", .ok), ("-", .skip)])
    func `with DANE an insecure MX policy below dane is a warning`(policy: String, severity: Severity) {
        let name = "smtp_tls_dane_insecure_mx_policy"
        let results = Healthy.results(.daneInsecureMX, changes: ["smtp_dns_support_level": "dnssec", name: policy])
        #expect(results.severities == [severity])
        #expect(results.first?.fix?.line == (severity == .warn ? "\(name) = dane" : nil))
        #expect(Healthy.results(.daneInsecureMX, changes: [name: policy]).severities == [.skip])
    }
}

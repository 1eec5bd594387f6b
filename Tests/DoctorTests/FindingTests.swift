import Testing

@testable import Doctor

@Suite struct FindingTests {
    @Test func `the worst of all counts, and what is unknown is less than a warning`() {
        #expect(Severity.allCases.shuffled().sorted() == [.skip, .ok, .unknown, .warn, .fail])
        let findings = [Severity.unknown, .warn, .ok].map { Finding(.cache, $0, "") }
        #expect(findings.worst == .warn)
        #expect([Finding]().worst == .ok)
        #expect([Finding(.cache, .skip, "")].worst == .ok)
    }

    /// Scripts know them.
    @Test func `the checks' names are what they were`() {
        #expect(
            Check.allCases.map(\.rawValue) == [
                "user", "configuration", "daemon", "daemon-settings", "lookup", "socket-mode", "admin-socket", "cache",
                "clock", "postfix", "policy-maps", "map-order", "map-socket", "map-name", "ca", "security-level",
                "dns-support", "dane-insecure-mx", "tls-reports", "mx-patterns", "session-cache", "fallback-relay",
                "relayhost", "transport-maps", "service-overrides", "name-servers", "dnssec-signed", "dnssec-bogus",
                "dnssec-unsigned", "postfix-resolver", "policy-fetch",
            ])
    }
}

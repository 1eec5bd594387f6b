import Testing

@testable import Doctor

@Suite struct CheckResultTests {
    @Test func `the highest severity counts, and unknown is less than a warning`() {
        #expect(Severity.allCases.shuffled().sorted() == [.skip, .ok, .unknown, .warn, .fail])
        let results = [Severity.unknown, .warn, .ok].map { CheckResult(.cache, severity: $0, meaning: "") }
        #expect(results.worst == .warn)
        #expect([CheckResult]().worst == .ok)
        #expect([CheckResult(.cache, severity: .skip, meaning: "")].worst == .ok)
    }

    /// Scripts use the names.
    @Test func `the checks' names are unchanged`() {
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

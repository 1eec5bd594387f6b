import Discovery
import MTASTS
import TestSupport
import Testing

@testable import Doctor

/// Outbound HTTPS, and the clock.
@Suite struct NetworkChecksTests {
    private static let published = RecordResult.published
    private static let now = 1_795_000_000

    private static func checks(
        _ record: RecordResult? = nil, policy: PolicyResult? = nil
    ) throws -> NetworkChecks {
        let domain = try #require(PolicyDomain("policy.example"))
        let id = try #require(RecordID("1"))
        return NetworkChecks(
            domain,
            discovered: .success(
                (
                    RecordReport(result: record ?? .published(id), timeToLive: 60),
                    policy.map { PolicyReport(result: $0) }
                )))
    }

    private static func policy() throws -> PolicyResult {
        let text = Array("version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n".utf8)
        return .policy(try STSPolicy(text))
    }

    @Test func `a fetched policy is ok`() throws {
        #expect(try Self.checks(nil, policy: Self.policy()).policyFetch.severity == .ok)
    }

    @Test(arguments: [
        (PolicyFetchError.fetch(.transport(.unreachable("Connection refused"))), Severity.warn),
        (.fetch(.transport(.timedOut(after: .seconds(15)))), .warn), (.fetch(.certificate(.untrusted)), .warn),
        (.addressesRefused([]), .warn), (.hostWithoutAddress, .warn),
        (.fetch(.transport(.local("CA file: No such file"))), .fail),
    ])
    func `each failure has its severity and its reason`(failure: PolicyFetchError, severity: Severity) throws {
        let result = try Self.checks(nil, policy: .failed(failure)).policyFetch
        #expect(result.severity == severity)
        #expect(result.meaning.contains("\(failure)"))
    }

    @Test func `a domain without a policy, or DNS without an answer, is unknown`() throws {
        #expect(try Self.checks(.absent(.noData)).policyFetch.severity == .unknown)
        let question = DNSQuestion(name: "_mta-sts.policy.example", type: .txt)
        let failure = DNSError(question: question, cause: .responseCode(2), servers: ["192.0.2.53"])
        #expect(try Self.checks(.failed(failure)).policyFetch.severity == .unknown)
    }

    @Test func `a part that cannot be created is a failure`() throws {
        let domain = try #require(PolicyDomain("policy.example"))
        let checks = NetworkChecks(domain, discovered: .failure(UnavailableError("fetch.ca-file /x: No such file")))
        #expect(checks.policyFetch.severity == .fail)
        #expect(checks.policyFetch.meaning.contains("/x"))
    }

    // MARK: The clock

    @Test(arguments: [0, 1_600_000_000, 5_000_000_000])
    func `a clock that is wrong by years fails`(now: Int) throws {
        let result = try Self.checks().clock(now: now, isDNSSECValid: true, cacheModified: nil)
        #expect(result.severity == .fail)
        #expect(result.fix == Fix(.shell, line: "timedatectl set-ntp true"))
    }

    @Test func `certificates and signatures verify the clock`() throws {
        func severity(_ checks: NetworkChecks, dnssec: Bool = false, cache: Int? = nil) -> Severity {
            checks.clock(now: Self.now, isDNSSECValid: dnssec, cacheModified: cache).severity
        }
        #expect(severity(try Self.checks(nil, policy: Self.policy())) == .ok)
        #expect(severity(try Self.checks(), dnssec: true) == .ok)
        #expect(severity(try Self.checks()) == .unknown)
        for failure in [CertificateError.expired, .notYetValid] {
            #expect(
                severity(try Self.checks(nil, policy: .failed(.fetch(.certificate(failure)))), dnssec: true) == .warn)
        }
        #expect(severity(try Self.checks(nil, policy: Self.policy()), cache: Self.now + 200) == .ok)
        #expect(severity(try Self.checks(nil, policy: Self.policy()), cache: Self.now + 3_600) == .warn)
    }
}

import Discovery
import MTASTS
import TestSupport
import Testing

@testable import Doctor

/// Outbound HTTPS, and the clock.
@Suite struct WorldChecksTests {
    private static let published = RecordFinding.published
    private static let now = 1_795_000_000

    private static func checkup(
        _ record: RecordFinding? = nil, _ policy: PolicyFinding? = nil
    ) throws -> WorldCheckup {
        let domain = try #require(PolicyDomain("policy.example"))
        let id = try #require(RecordID("1"))
        return WorldCheckup(
            domain,
            .success(
                (
                    RecordReport(finding: record ?? .published(id), timeToLive: 60),
                    policy.map { PolicyReport(finding: $0) }
                )))
    }

    private static func policy() throws -> PolicyFinding {
        let text = Array("version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n".utf8)
        return .policy(FetchedPolicy(policy: try STSPolicy(text), text: text))
    }

    @Test func `a policy that is fetched is ok`() throws {
        #expect(try Self.checkup(nil, Self.policy()).policyFetch.severity == .ok)
    }

    @Test(arguments: [
        (PolicyFailure.fetch(.transport(.unreachable("Connection refused"))), Severity.warn),
        (.fetch(.transport(.timedOut(after: .seconds(15)))), .warn), (.fetch(.certificate(.untrusted)), .warn),
        (.addressesRefused([]), .warn), (.hostWithoutAddress, .warn),
        (.fetch(.transport(.local("CA file: No such file"))), .fail),
    ])
    func `each failure has its severity and its reason`(failure: PolicyFailure, severity: Severity) throws {
        let finding = try Self.checkup(nil, .failed(failure)).policyFetch
        #expect(finding.severity == severity)
        #expect(finding.meaning.contains("\(failure)"))
    }

    @Test func `a domain without a policy, or DNS that does not answer, leaves it unknown`() throws {
        #expect(try Self.checkup(.absent(.noData)).policyFetch.severity == .unknown)
        let question = DNSQuestion(name: "_mta-sts.policy.example", type: .txt)
        let failure = DNSFailure(question: question, cause: .responseCode(2), servers: ["192.0.2.53"])
        #expect(try Self.checkup(.failed(failure)).policyFetch.severity == .unknown)
    }

    @Test func `parts that cannot be set up are a failure`() throws {
        let domain = try #require(PolicyDomain("policy.example"))
        let checkup = WorldCheckup(domain, .failure(Unavailable("fetch.ca-file /x: No such file")))
        #expect(checkup.policyFetch.severity == .fail)
        #expect(checkup.policyFetch.meaning.contains("/x"))
    }

    // MARK: The clock

    @Test(arguments: [0, 1_600_000_000, 5_000_000_000])
    func `a clock that is wrong by years fails`(now: Int) throws {
        let finding = try Self.checkup().clock(now: now, isDNSSECValid: true, cacheModified: nil)
        #expect(finding.severity == .fail)
        #expect(finding.remedy == Remedy(.shell, "timedatectl set-ntp true"))
    }

    @Test func `certificates and signatures tell of the clock`() throws {
        func severity(_ checkup: WorldCheckup, dnssec: Bool = false, cache: Int? = nil) -> Severity {
            checkup.clock(now: Self.now, isDNSSECValid: dnssec, cacheModified: cache).severity
        }
        #expect(severity(try Self.checkup(nil, Self.policy())) == .ok)
        #expect(severity(try Self.checkup(), dnssec: true) == .ok)
        #expect(severity(try Self.checkup()) == .unknown)
        for failure in [CertificateFailure.expired, .notYetValid] {
            #expect(severity(try Self.checkup(nil, .failed(.fetch(.certificate(failure)))), dnssec: true) == .warn)
        }
        #expect(severity(try Self.checkup(nil, Self.policy()), cache: Self.now + 200) == .ok)
        #expect(severity(try Self.checkup(nil, Self.policy()), cache: Self.now + 3_600) == .warn)
    }
}

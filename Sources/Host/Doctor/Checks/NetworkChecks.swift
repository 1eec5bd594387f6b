import Discovery
import MTASTS
import TextFormats

/// The checks of outbound HTTPS, using one domain's policy, and of the clock, using its certificate and timestamps.
package struct NetworkChecks: Sendable {
    let domain: PolicyDomain
    /// The domain's record, and its policy if there is one; or the reason why neither was looked up.
    let discovered: Result<(record: RecordReport, policy: PolicyReport?), UnavailableError>

    package init(
        _ domain: PolicyDomain, discovered: Result<(record: RecordReport, policy: PolicyReport?), UnavailableError>
    ) {
        self.domain = domain
        self.discovered = discovered
    }

    package var policyFetch: CheckResult {
        let name = domain.name.text
        switch discovered {
        case .failure(let problem):
            return CheckResult(
                .policyFetch, severity: .fail,
                meaning: "No policy can be fetched: \(UntrustedText.printable(problem.reason, limit: 300))".asSentence)
        case .success(let found):
            switch found.record.result {
            case .absent(let absence):
                return CheckResult(
                    .policyFetch, severity: .unknown,
                    meaning:
                        "\(name) publishes no policy (\(UntrustedText.printable("\(absence)", limit: 200))); name a domain "
                        + "with a policy with --domain.")
            case .failed(let failure):
                return CheckResult(
                    .policyFetch, severity: .unknown,
                    meaning: "Not tried, since DNS did not answer: \(UntrustedText.printable("\(failure)", limit: 300))"
                        .asSentence)
            case .published: return fetch(found.policy, name: name)
            }
        }
    }

    private func fetch(_ report: PolicyReport?, name: String) -> CheckResult {
        guard case .failed(let failure) = report?.result else {
            let address = report?.response.map { " from \($0.address)" } ?? ""
            return CheckResult(.policyFetch, severity: .ok, meaning: "The policy of \(name) was fetched\(address).")
        }
        let why = UntrustedText.printable("\(failure)", limit: 200)
        switch failure {
        case .addressesRefused:
            return CheckResult(
                .policyFetch, severity: .warn, meaning: "The policy of \(name) was not fetched: \(why).",
                fixes: Fix(.configuration, line: "fetch: { allow-networks: [192.0.2.0/24] }"))
        case .fetch(.transport(.local)), .fetch(.noSlot):
            return CheckResult(.policyFetch, severity: .fail, meaning: "No policy can be fetched: \(why).")
        case .fetch(.transport(.unreachable)), .fetch(.transport(.timedOut)):
            return CheckResult(
                .policyFetch, severity: .warn,
                meaning:
                    "The policy of \(name) was not fetched: \(why). If other domains fail, too, a firewall may block "
                    + "port 443.")
        case .fetch(.certificate):
            return CheckResult(
                .policyFetch, severity: .warn,
                meaning:
                    "The certificate of \(name)'s policy host is not valid: \(why). If other domains fail, too, check fetch.ca-file, the "
                    + "clock, and TLS interception in the network.")
        default:
            return CheckResult(.policyFetch, severity: .warn, meaning: "The policy of \(name) was not fetched: \(why).")
        }
    }

    // MARK: The clock

    /// The plausible time, from 2026 to 2100, in seconds since 1970.
    private static let plausible = 1_767_225_600..<4_102_444_800

    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - isDNSSECValid: whether a current signature was validated.
    ///   - cacheModified: the time of the last write to the cache, in seconds since 1970.
    package func clock(now: Int, isDNSSECValid: Bool, cacheModified: Int?) -> CheckResult {
        let fix = Fix(.shell, line: "timedatectl set-ntp true")
        guard Self.plausible.contains(now) else {
            return CheckResult(
                .clock, severity: .fail,
                meaning: "The clock is wrong by years: certificates, signatures and policies count as "
                    + "expired.",
                fixes: fix)
        }
        // Network file systems may be some seconds ahead.
        if let cacheModified, cacheModified > now + 300 {
            return CheckResult(
                .clock, severity: .warn,
                meaning:
                    "The cache file was written \((cacheModified - now) / 60) minutes in the future: the clock was set back, "
                    + "or is wrong.",
                fixes: fix)
        }
        switch (try? discovered.get())?.policy?.result {
        case .failed(.fetch(.certificate(.expired))), .failed(.fetch(.certificate(.notYetValid))):
            return CheckResult(
                .clock, severity: .warn,
                meaning: "The policy host's certificate is expired or not yet valid: its error, or the clock's.",
                fixes: fix)
        case .policy:
            return CheckResult(
                .clock, severity: .ok,
                meaning: "The clock is within the validity of a certificate that was just checked.")
        case .failed, nil:
            return isDNSSECValid
                ? CheckResult(
                    .clock, severity: .ok,
                    meaning: "The clock is within the validity of DNSSEC signatures that were just checked.")
                : CheckResult(
                    .clock, severity: .unknown,
                    meaning: "The year is plausible; no certificate or signature was checked.")
        }
    }
}

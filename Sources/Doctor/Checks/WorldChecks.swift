import Discovery
import MTASTS

/// Outbound HTTPS, by one domain's policy; and the clock, by what its certificate and its times say.
package struct WorldCheckup: Sendable {
    let domain: PolicyDomain
    /// How the domain's record was found, and the policy where there was one; or why nothing could be tried.
    let discovered: Result<(record: RecordReport, policy: PolicyReport?), Unavailable>

    package init(
        _ domain: PolicyDomain, _ discovered: Result<(record: RecordReport, policy: PolicyReport?), Unavailable>
    ) {
        self.domain = domain
        self.discovered = discovered
    }

    package var policyFetch: Finding {
        let name = domain.name.text
        switch discovered {
        case .failure(let trouble):
            return Finding(
                .policyFetch, .fail,
                "No policy can be fetched: \(RemoteText.printable(trouble.reason, limit: 300))".asSentence)
        case .success(let found):
            switch found.record.finding {
            case .absent(let absence):
                return Finding(
                    .policyFetch, .unknown,
                    "\(name) publishes no policy (\(RemoteText.printable("\(absence)", limit: 200))); name a domain "
                        + "that does with --domain.")
            case .failed(let failure):
                return Finding(
                    .policyFetch, .unknown,
                    "Not tried, for DNS did not answer: \(RemoteText.printable("\(failure)", limit: 300))".asSentence)
            case .published: return fetch(found.policy, name)
            }
        }
    }

    private func fetch(_ report: PolicyReport?, _ name: String) -> Finding {
        guard case .failed(let failure) = report?.finding else {
            let address = report?.response.map { " from \($0.address)" } ?? ""
            return Finding(.policyFetch, .ok, "The policy of \(name) was fetched\(address).")
        }
        let why = RemoteText.printable("\(failure)", limit: 200)
        switch failure {
        case .addressesRefused:
            return Finding(
                .policyFetch, .warn, "The policy of \(name) was not fetched: \(why).",
                Remedy(.configuration, "fetch: { allow-networks: [192.0.2.0/24] }"))
        case .fetch(.transport(.local)), .fetch(.noSlot):
            return Finding(.policyFetch, .fail, "No policy can be fetched: \(why).")
        case .fetch(.transport(.unreachable)), .fetch(.transport(.timedOut)):
            return Finding(
                .policyFetch, .warn,
                "The policy of \(name) was not fetched: \(why). If others fail too, a firewall keeps this host from "
                    + "port 443.")
        case .fetch(.certificate):
            return Finding(
                .policyFetch, .warn,
                "The certificate of \(name)'s policy host is refused: \(why). If others fail too: fetch.ca-file, the "
                    + "clock, or something between here and there.")
        default:
            return Finding(.policyFetch, .warn, "The policy of \(name) was not fetched: \(why).")
        }
    }

    // MARK: The clock

    /// When this was written, and some decades later: seconds since 1970.
    private static let plausible = 1_767_225_600..<4_102_444_800

    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - isDNSSECValid: a signature was found to be in its time.
    ///   - cacheModified: when the cache was written last.
    package func clock(now: Int, isDNSSECValid: Bool, cacheModified: Int?) -> Finding {
        let mend = Remedy(.shell, "timedatectl set-ntp true")
        guard Self.plausible.contains(now) else {
            return Finding(
                .clock, .fail,
                "The clock is wrong by years: certificates and signatures are taken for expired, and policies with "
                    + "them.",
                mend)
        }
        // File systems of other hosts may be some seconds ahead.
        if let cacheModified, cacheModified > now + 300 {
            return Finding(
                .clock, .warn,
                "The cache was written \((cacheModified - now) / 60) minutes in the future: the clock was set back, "
                    + "or is wrong.",
                mend)
        }
        switch (try? discovered.get())?.policy?.finding {
        case .failed(.fetch(.certificate(.expired))), .failed(.fetch(.certificate(.notYetValid))):
            return Finding(
                .clock, .warn, "The policy host's certificate is out of its time: its fault, or this clock's.", mend)
        case .policy:
            return Finding(.clock, .ok, "The clock is within the life of a certificate that was just checked.")
        case .failed, nil:
            return isDNSSECValid
                ? Finding(.clock, .ok, "The clock is within the life of DNSSEC signatures that were just checked.")
                : Finding(.clock, .unknown, "The year is right; nothing was fetched that tells more.")
        }
    }
}

import MTASTS
import PolicyService

/// How the daemon is, for `systemctl status`: what it knows, and all that is wrong.
struct StatusLine: Equatable, Sendable {
    let census: Census
    /// Why the cache file is not ours to write yet; `nil`: it is.
    var predecessor: String?
    /// DANE is wanted, and the DNS servers do not let DNSSEC through.
    var lacksDNSSEC: Bool

    private static let longestReason = 300

    var text: String {
        let policies = [EntryState.enforce, .testing, .none].compactMap { census.counts[$0] }.reduce(0, +)
        let head = "\(policies) \(policies == 1 ? "policy" : "policies") held"
        return ([head] + troubles).joined(separator: "; ")
    }

    private var troubles: [String] {
        var troubles: [String] = []
        if let predecessor {
            troubles.append("waiting for another daemon to end: \(predecessor)")
        } else if let failure = census.archiveFailure {
            troubles.append("archive failing: \(RemoteText.printable("\(failure)", limit: Self.longestReason))")
        }
        if lacksDNSSEC { troubles.append("DNSSEC lost, DANE is off") }
        if census.failing > 0 {
            troubles.append("\(census.failing) \(census.failing == 1 ? "domain" : "domains") failing")
        }
        return troubles
    }
}

import PolicyCaching
import TextFormats

/// The text of `systemctl status`: the number of cached policies, and all problems.
struct StatusLine: Equatable, Sendable {
    let statistics: CacheStatistics
    /// The process ids of other processes that use the cache file.
    var otherProcesses: [Int32] = []
    /// DANE is wanted, but the DNS servers do not support DNSSEC.
    var lacksDNSSEC: Bool

    private static let maximumReason = 300

    var text: String {
        let policies = [EntryState.enforce, .testing, .none].compactMap { statistics.counts[$0] }.reduce(0, +)
        let summary = "\(policies) \(policies == 1 ? "policy" : "policies") cached"
        return ([summary] + problems).joined(separator: "; ")
    }

    private var problems: [String] {
        var problems: [String] = []
        if let note = otherProcesses.sharedCacheNote { problems.append(note) }
        if let failure = statistics.storeError {
            let reason = UntrustedText.printable("\(failure)", limit: Self.maximumReason)
            problems.append("cache file error: \(reason)")
        }
        if lacksDNSSEC { problems.append("DNS servers strip DNSSEC, DANE is off") }
        if statistics.failing > 0 {
            problems.append("\(statistics.failing) \(statistics.failing == 1 ? "domain" : "domains") failing")
        }
        return problems
    }
}

extension [Int32] {
    /// A note that processes with these ids use the cache file too, for `status` and `systemctl status`; `nil` without ids.
    var sharedCacheNote: String? {
        guard !isEmpty else { return nil }
        let ids = map(String.init).joined(separator: ", ")
        return "another process uses the cache file (\(count == 1 ? "pid" : "pids") \(ids))"
    }
}

/// An MTA-STS policy (RFC 8461 §3.2): what the Policy Domain promises about its MX hosts, and for how long.
///
/// Holds for every value: `maxAge` is within 0…`maximumMaxAge`; `mx` is empty only when the mode is `none`.
/// Not here: when it was fetched and under which id, which the body cannot tell.
package struct STSPolicy: Hashable, Sendable {
    /// What a sender does about a host that is not listed or not authenticated (RFC 8461 §5).
    package enum Mode: String, Hashable, Sendable, CaseIterable {
        case testing
        case enforce
        case none
    }

    package let mode: Mode
    /// Seconds from the fetch for which the policy may be kept; 0 is legal: for the delivery at hand only.
    package let maxAge: Int
    /// In the order of the file, repetitions included.
    package let mx: [MXPattern]
    /// The patterns that can name an MX host, each once, in the order of the file. Worked out once: every lookup of an
    /// enforced domain needs them.
    package let hostPatterns: [MXPattern]
    /// What was tolerated, in the order of the file; no more than `maximumNotices`.
    package let notices: [PolicyNotice]

    /// One year of 365.25 days (RFC 8461 §3.2). More is grammatical and means this (erratum 7282; D6).
    package static let maximumMaxAge = 31_557_600
    /// Enough to see what is odd; a body of 64 KiB of line feeds must not become 65,536 notices.
    package static let maximumNotices = 16

    /// Reads a whole body. The caller has limited its size; the time taken is linear in it.
    package init(_ octets: [UInt8]) throws(PolicyError) {
        var parser = PolicyParser()
        try parser.parse(octets)
        (mode, maxAge, mx) = try parser.finish()
        notices = parser.notices
        var seen: Set<MXPattern> = []
        hostPatterns = mx.filter { $0.canNameHost && seen.insert($0).inserted }
    }

    /// Whether the policy allows `host`, the name as it stands in the MX record, as MX host (RFC 8461 §4.1).
    package func allows(_ host: DomainName) -> Bool {
        mx.contains { $0.matches(host) }
    }
}

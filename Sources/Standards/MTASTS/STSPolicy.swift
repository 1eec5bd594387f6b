/// An MTA-STS policy (RFC 8461 §3.2): what the Policy Domain promises about its MX hosts, and for how long.
///
/// `maxAge` is in 0…`maximumMaxAge`. `mx` is empty only if the mode is `none`. Two policies
/// are equal if they have the same meaning; their octets may differ.
/// It holds its octets and what each lookup needs. The patterns and warnings, which would take several times the memory, are
/// parsed again when they are read.
/// Not here: the time of the fetch and the record id, which the body does not contain.
package struct STSPolicy: Hashable, Sendable {
    /// What a sender does if a host is not listed or not authenticated (RFC 8461 §5).
    package enum Mode: String, Hashable, Sendable, CaseIterable {
        case testing
        case enforce
        case none
    }

    /// The octets that the policy was parsed from.
    package let octets: [UInt8]
    private let seconds: UInt32
    package let mode: Mode
    /// Whether `hostPatterns` has any.
    package let namesHost: Bool

    /// Seconds from the fetch for which the policy may be cached. 0 is legal: the policy applies to this delivery only.
    package var maxAge: Int { Int(seconds) }

    /// One year of 365.25 days (RFC 8461 §3.2). The parser accepts a larger value and uses this one (erratum 7282; D6).
    package static let maximumMaxAge = 31_557_600
    /// A body of 64 KiB of line feeds must not become 65,536 warnings.
    package static let maximumWarnings = 16

    /// Parses a whole body in linear time. The caller limits its size.
    package init(_ octets: [UInt8]) throws(PolicyError) {
        var parser = PolicyParser()
        try parser.parse(octets)
        let (mode, maxAge) = try parser.finish()
        self.octets = octets
        self.mode = mode
        seconds = UInt32(maxAge)
        namesHost = parser.mx.contains(where: \.canNameHost)
    }

    // MARK: Parts that are parsed again

    /// In the order of the file, repetitions included.
    package var mx: [MXPattern] { parsedAgain.mx }

    /// The patterns that can name an MX host, each once, in the order of the file.
    package var hostPatterns: [MXPattern] {
        var seen: Set<MXPattern> = []
        return mx.filter { $0.canNameHost && seen.insert($0).inserted }
    }

    /// In the order of the file, at most `maximumWarnings`.
    package var warnings: [PolicyWarning] { parsedAgain.warnings }

    /// The octets are a policy, so parsing them again has no error.
    private var parsedAgain: PolicyParser {
        var parser = PolicyParser()
        try? parser.parse(octets)
        return parser
    }

    /// Whether the policy allows the MX host `host`, the name in the MX record (RFC 8461 §4.1).
    package func allows(_ host: DomainName) -> Bool {
        mx.contains { $0.matches(host) }
    }
}

extension STSPolicy {
    package static func == (left: STSPolicy, right: STSPolicy) -> Bool {
        if left.octets == right.octets { return true }
        guard left.mode == right.mode, left.maxAge == right.maxAge else { return false }
        let (left, right) = (left.parsedAgain, right.parsedAgain)
        return left.mx == right.mx && left.warnings == right.warnings
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(mode)
        hasher.combine(maxAge)
        hasher.combine(mx)
    }
}

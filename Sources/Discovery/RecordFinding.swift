import MTASTS

/// How the question for a domain's `_mta-sts` record ended (RFC 8461 §3.1).
package enum RecordFinding: Equatable, Sendable {
    /// The domain takes part; its policy has this id.
    case published(RecordID)
    /// The domain has no usable record: as if it had no MTA-STS. No HTTPS request is made.
    case absent(RecordAbsence)
    /// Could not find out.
    case failed(DNSFailure)
}

/// Why a domain counts as having no record.
package enum RecordAbsence: Equatable, Sendable {
    /// NXDOMAIN.
    case nameError
    /// The name has no TXT record (NODATA).
    case noData
    /// TXT records, none of which begins with `v=STSv1;`.
    case noCandidate
    /// Several records begin with `v=STSv1;`.
    case several(Int)
    /// The one record breaks the grammar.
    case invalid(RecordError)
}

extension RecordAbsence: CustomStringConvertible {
    package var description: String {
        switch self {
        case .nameError: "no such name (NXDOMAIN)"
        case .noData: "no TXT record (NODATA)"
        case .noCandidate: "TXT records, but none begins with v=STSv1;"
        case .several(let count): "\(count) TXT records begin with v=STSv1; where one is allowed"
        case .invalid(let error): "invalid TXT record: \(error)"
        }
    }
}

/// A finding with what a human wants to know about how it came.
package struct RecordReport: Sendable {
    package let finding: RecordFinding
    /// Seconds for which DNS allows to keep the finding; 0 for a failure.
    package let timeToLive: UInt32
    /// CNAMEs followed to the record.
    package let aliases: Int
    package let duration: Duration

    package init(finding: RecordFinding, timeToLive: UInt32, aliases: Int = 0, duration: Duration = .zero) {
        self.finding = finding
        self.timeToLive = timeToLive
        self.aliases = aliases
        self.duration = duration
    }
}

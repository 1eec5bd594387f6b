import MTASTS

/// The result of the query for the `_mta-sts` record of a domain (RFC 8461 §3.1).
package enum RecordResult: Equatable, Sendable {
    /// The domain uses MTA-STS; its policy has this id.
    case published(RecordID)
    /// The domain has no usable record, so it does not use MTA-STS. There is no HTTPS request.
    case absent(RecordAbsence)
    /// The query failed.
    case failed(DNSError)
}

/// The reason why a domain has no usable record.
package enum RecordAbsence: Equatable, Sendable {
    /// NXDOMAIN.
    case nameError
    /// The name has no TXT record (NODATA).
    case noData
    /// There are TXT records, but none begins with `v=STSv1;`.
    case noCandidate
    /// Several records begin with `v=STSv1;`.
    case several(Int)
    /// There is one record, and it is invalid.
    case invalid(RecordError)
}

extension RecordAbsence: CustomStringConvertible {
    package var description: String {
        switch self {
        case .nameError: "no such name (NXDOMAIN)"
        case .noData: "no TXT record (NODATA)"
        case .noCandidate: "TXT records, but none begins with v=STSv1;"
        case .several(let count): "\(count) TXT records begin with v=STSv1; instead of one"
        case .invalid(let error): "invalid TXT record: \(error)"
        }
    }
}

/// A result with details for people.
package struct RecordReport: Sendable {
    package let result: RecordResult
    /// Seconds for which DNS allows caching; 0 for a failure.
    package let timeToLive: UInt32
    /// The number of CNAMEs before the record.
    package let aliases: Int
    package let duration: Duration

    package init(result: RecordResult, timeToLive: UInt32, aliases: Int = 0, duration: Duration = .zero) {
        self.result = result
        self.timeToLive = timeToLive
        self.aliases = aliases
        self.duration = duration
    }
}

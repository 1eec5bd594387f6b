import Discovery

/// How one attempt at one address ended.
enum AttemptEnding: Equatable, Sendable {
    /// The policy host sent a complete response.
    case answered(PolicyResponse)
    /// A result that another address would not change: a certificate, an HTTP status, an error of this host.
    case refused(FetchFailure)
    /// No HTTP response from this address.
    case failed(TransportFailure)
    /// The attempt's time was over.
    case timedOut
}

/// The times of one attempt, counted from its start.
struct AttemptLimits: Equatable, Sendable {
    /// Until TCP and TLS are set up.
    let connect: Duration
    /// Until the last octet.
    let total: Duration

    /// The longest time for TCP and TLS. A host that takes longer does not answer at all; a mail may be waiting.
    static let longestConnect = Duration.seconds(10)

    /// A share of the remaining time for each address that is left, between 1 s (a slow handshake over a poor line) and
    /// 5 s; the last address has `longestConnect`.
    static func share(of remaining: Duration, addressesLeft: Int) -> AttemptLimits {
        let longest = min(remaining, longestConnect)
        guard addressesLeft > 1 else { return AttemptLimits(connect: longest, total: remaining) }
        let share = min(max(remaining / addressesLeft, .seconds(1)), .seconds(5))
        return AttemptLimits(connect: min(share, longest), total: remaining)
    }
}

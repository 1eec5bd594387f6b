import Discovery

/// The result of one attempt at one address.
enum AttemptResult: Equatable, Sendable {
    /// The policy host sent a complete response.
    case answered(PolicyResponse)
    /// An error that does not depend on the address: a certificate, an HTTP status, an error of this host.
    case refused(FetchError)
    /// No HTTP response from this address.
    case failed(TransportError)
    /// The time limit of the attempt passed.
    case timedOut
}

/// The time limits of one attempt, from its start.
struct AttemptLimits: Equatable, Sendable {
    /// For TCP and TLS connection setup.
    let connect: Duration
    /// For the complete response.
    let total: Duration

    /// The maximum for TCP and TLS setup. A slower host usually never answers, and a mail may be waiting.
    static let maximumConnect = Duration.seconds(10)

    /// Divides the remaining time among the remaining addresses. Each share is between 1 s (a slow handshake over a poor
    /// line) and 5 s. The last address gets `maximumConnect`.
    static func share(of remaining: Duration, addressesLeft: Int) -> AttemptLimits {
        let limit = min(remaining, maximumConnect)
        guard addressesLeft > 1 else { return AttemptLimits(connect: limit, total: remaining) }
        let share = min(max(remaining / addressesLeft, .seconds(1)), .seconds(5))
        return AttemptLimits(connect: min(share, limit), total: remaining)
    }
}

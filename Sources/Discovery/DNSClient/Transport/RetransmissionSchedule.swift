/// The intervals between the transmissions of one question.
///
/// There are about `transmissions` transmissions within the time limit, at equal intervals. If 30 % of datagrams are lost in
/// each direction, one transmission in two gets an answer, and one question in 12,000 gets none after 14 transmissions. A time
/// limit above 5 s adds few, because the interval doubles after the first 14.
struct RetransmissionSchedule: Equatable {
    static let transmissions = 14
    /// Long enough that a recursive server can answer from its cache, or with one query, before a retransmission.
    static let maximumFirstInterval = Duration.milliseconds(350)
    /// A recovered server gets the query within this time.
    static let maximumInterval = Duration.seconds(1)

    private(set) var interval: Duration
    private var sent = 0

    /// - Parameter timeout: The time limit of the question.
    init(timeout: Duration) {
        interval = min(timeout / Self.transmissions, Self.maximumFirstInterval)
    }

    /// Counts a transmission, and returns the interval to the next one.
    mutating func next() -> Duration {
        sent += 1
        if sent > Self.transmissions { interval = min(interval * 2, Self.maximumInterval) }
        return interval
    }
}

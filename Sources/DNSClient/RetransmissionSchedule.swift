/// When a question that has no answer yet is sent again.
///
/// A question is sent about `transmissions` times within its time-out, at equal distances. With 30 % of datagrams lost in
/// each direction one transmission in two is answered; 14 of them leave one question in 12,000 without an answer. A
/// longer time-out than 5 s gets few more: the distance doubles after the first 14.
struct RetransmissionSchedule: Equatable {
    static let transmissions = 14
    /// A recursive server that answers from its cache, or with one query of its own, is not asked twice.
    static let longestFirstInterval = Duration.milliseconds(350)
    /// A server that comes back is asked within this time.
    static let longestInterval = Duration.seconds(1)

    private(set) var interval: Duration
    private var sent = 0

    /// - Parameter timeout: of the whole question.
    init(timeout: Duration) {
        interval = min(timeout / Self.transmissions, Self.longestFirstInterval)
    }

    /// A transmission leaves now. Returns the distance to the next one.
    mutating func next() -> Duration {
        sent += 1
        if sent > Self.transmissions { interval = min(interval * 2, Self.longestInterval) }
        return interval
    }
}

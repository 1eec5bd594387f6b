import Logging
import NIOCore
import Synchronization

/// Limits the messages about an event that any client can cause: the first at once, then one every ten seconds.
///
/// Concurrency: any thread.
/// Not here: metrics, which count each event.
final class LogLimiter: Sendable {
    private struct State {
        /// The time of the next message, at the earliest.
        var next: NIODeadline?
        /// Events without a message since the last message.
        var suppressed = 0
    }

    private let state = Mutex(State())

    /// Short enough to show when a flood ends.
    static let interval = TimeAmount.seconds(10)

    /// Counts an event.
    ///
    /// - Returns: `nil` if the event is not to be logged; else metadata with the number of events that were not logged.
    func admit(now: NIODeadline = .now()) -> Logger.Metadata? {
        state.withLock { state in
            if let next = state.next, now < next {
                state.suppressed += 1
                return nil
            }
            defer { state = State(next: now + Self.interval) }
            return state.suppressed == 0 ? [:] : ["suppressed": "\(state.suppressed)"]
        }
    }
}

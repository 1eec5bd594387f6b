import Logging
import NIOCore
import Synchronization

/// Limits how often one event is logged that any client can cause: the first at once, then one every ten seconds.
///
/// Concurrency: any thread.
/// Not here: metrics, which count each event.
final class LogLimiter: Sendable {
    private struct State {
        /// When the next line may be written.
        var next: NIODeadline?
        /// Events without a line, since the last line.
        var suppressed = 0
    }

    private let state = Mutex(State())

    /// One line for a flood that goes on, often enough to see when it ends.
    static let interval = TimeAmount.seconds(10)

    /// Counts an event.
    ///
    /// - Returns: `nil` if it is not to be logged; else what its line has to say besides: how many were not.
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

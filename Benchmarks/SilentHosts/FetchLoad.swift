import Discovery
import Synchronization

/// How many fetches are in flight, and how many wait.
final class FetchLoad: Sendable {
    private let counts = Mutex((inFlight: 0, waiting: 0))

    func add(_ change: FetchLoadChange) {
        counts.withLock { counts in
            counts.inFlight += change.inFlight
            counts.waiting += change.waiting
        }
    }

    func withLock<Value>(_ body: ((inFlight: Int, waiting: Int)) -> Value) -> Value { body(counts.withLock { $0 }) }
}

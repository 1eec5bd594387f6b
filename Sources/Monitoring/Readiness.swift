import ServiceLifecycle
import Synchronization

/// Whether we can do our work now, and what is in the way where we cannot: what `/readyz` says.
///
/// As a service it turns to "stopping" when the stop begins, so it has to be the last one of its group.
/// Concurrency: any thread.
package final class Readiness: Service {
    /// What has to be before we are ready; in words, what is said until then.
    package enum Condition: String, CaseIterable, Sendable {
        case listeners = "not all listeners are bound yet"
        case archive = "the kept policies are not loaded yet"
    }

    private struct State {
        var missing = Condition.allCases
        var isStopping = false
    }

    private let state = Mutex(State())

    package init() {}

    package func fulfil(_ condition: Condition) {
        state.withLock { $0.missing.removeAll { $0 == condition } }
    }

    /// `nil`: nothing is in the way.
    package var obstacle: String? {
        state.withLock { state in
            state.isStopping ? "stopping, pending lookups are answered" : state.missing.first?.rawValue
        }
    }

    package func run() async {
        // Ends by the stop or, when another service has failed, by cancellation: either is a stop.
        try? await gracefulShutdown()
        state.withLock { $0.isStopping = true }
    }
}

import ServiceLifecycle
import Synchronization

/// Whether the daemon is ready to serve, for `/readyz`.
///
/// Concurrency: any thread. As a service it notices the start of the shutdown, so it has to be the last of its group.
package final class Readiness: Service {
    /// A condition of readiness. The raw value is the reason until it is fulfilled.
    package enum Condition: String, CaseIterable, Sendable {
        case listeners = "not all listeners are bound yet"
        case store = "the cached policies are not loaded yet"
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

    /// Why the daemon is not ready; `nil`: it is.
    package var notReadyReason: String? {
        state.withLock { state in
            state.isStopping ? "stopping, pending lookups are answered" : state.missing.first?.rawValue
        }
    }

    package func run() async {
        // The shutdown ends this wait, or the error of another service cancels it. The daemon stops in both cases.
        try? await gracefulShutdown()
        state.withLock { $0.isStopping = true }
    }
}

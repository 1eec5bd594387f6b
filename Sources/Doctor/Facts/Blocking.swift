import Dispatch

/// Work that blocks its thread, away from the threads of Swift's tasks. All of it here has a time limit of its own.
package enum Blocking {
    package static func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: work()) }
        }
    }
}

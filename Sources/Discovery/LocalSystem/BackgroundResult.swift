import Dispatch
import Synchronization

/// The result of a function that runs on a thread of its own, so that its caller can do other work meanwhile.
///
/// Concurrency: any thread. `value` blocks until the function returns. Without a thread, `value` runs the function itself.
package final class BackgroundResult<Value: Sendable>: Sendable {
    private let function: @Sendable () -> Value
    private let result = Mutex<Value?>(nil)
    private let done = DispatchSemaphore(value: 0)

    package init(_ function: @escaping @Sendable () -> Value) {
        self.function = function
        let thread = BackgroundThread { [self] in
            result.withLock { $0 = function() }
            done.signal()
        }
        if !thread.start() { done.signal() }
    }

    package var value: Value {
        done.wait()
        // For the next caller.
        defer { done.signal() }
        return result.withLock { $0 } ?? function()
    }
}

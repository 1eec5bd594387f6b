import Glibc

/// A thread that runs one function and ends. It blocks all signals: one that the kernel gave to it, such as SIGHUP, would
/// be lost for those who wait for it.
final class TransportThread {
    private let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }

    /// - Returns: `false` when the system gives no thread; errno tells why.
    func begin() -> Bool {
        var thread = pthread_t()
        let this = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { argument in
                var signals = sigset_t()
                sigfillset(&signals)
                pthread_sigmask(SIG_SETMASK, &signals, nil)
                if let argument { Unmanaged<TransportThread>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, this.toOpaque())
        guard code == 0 else {
            this.release()
            errno = code
            return false
        }
        // Its end is known by `CommandQueue.ended`.
        pthread_detach(thread)
        return true
    }
}

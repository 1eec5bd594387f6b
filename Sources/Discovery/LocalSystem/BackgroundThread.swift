import Glibc

/// A thread that runs one function. It blocks all signals, so that the threads that wait for them receive them, and so that a
/// closed connection does not end the process by SIGPIPE.
package final class BackgroundThread {
    private let body: @Sendable () -> Void

    package init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }

    /// Returns `false` and sets errno if there is no thread.
    package func start() -> Bool {
        var thread = pthread_t()
        let this = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { argument in
                var signals = sigset_t()
                sigfillset(&signals)
                pthread_sigmask(SIG_SETMASK, &signals, nil)
                if let argument { Unmanaged<BackgroundThread>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, this.toOpaque())
        guard code == 0 else {
            this.release()
            errno = code
            return false
        }
        // Nothing joins the thread; its body reports its own end.
        pthread_detach(thread)
        return true
    }
}

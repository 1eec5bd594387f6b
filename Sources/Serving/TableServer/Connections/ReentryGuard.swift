/// Runs a piece of work once more after it has ended, if it is requested from within itself.
///
/// A channel calls its handlers back from within `write`, `flush`, `read` and `close`. Work that makes such calls would
/// otherwise run inside itself, on state that the outer run has not finished changing.
///
///     guard reentry.enter() else { return }
///     repeat { work() } while reentry.leave()
package struct ReentryGuard {
    private enum State {
        case idle
        case running
        /// The work was requested while it ran.
        case runningWithRequest
    }

    private var state = State.idle

    package init() {}

    var isIdle: Bool { state == .idle }

    /// - Returns: whether the caller runs the work now. If not, the current run repeats it.
    package mutating func enter() -> Bool {
        switch state {
        case .idle:
            state = .running
            return true
        case .running, .runningWithRequest:
            state = .runningWithRequest
            return false
        }
    }

    /// - Returns: whether the caller, for whom `enter` returned `true`, runs the work again.
    package mutating func leave() -> Bool {
        switch state {
        case .runningWithRequest:
            state = .running
            return true
        case .running, .idle:
            state = .idle
            return false
        }
    }
}

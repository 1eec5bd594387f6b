import Dispatch
import Foundation
import Glibc
import PolicyService
import Synchronization

/// Writes log lines to a file descriptor from a thread of its own, so that a reader that stalls stops nothing else.
///
/// Concurrency: any thread may call `write`, which never waits for the reader. The thread starts with the first line.
/// Limits: `LogQueue`. Dropped lines are reported in a line of their own as soon as one can be written again.
/// Errors: a line that the system does not take (EPIPE, EIO, ENOSPC) counts as dropped.
final class LogWriter: Sendable {
    private struct State {
        var queue: LogQueue
        var isRunning = false
        /// A line is taken and not yet written.
        var isWriting = false
        var isClosed = false
        /// Signalled when nothing is left to write.
        var flushes: [DispatchSemaphore] = []
    }

    private let state: Mutex<State>
    /// Signalled for each line, and for the end.
    private let arrivals = DispatchSemaphore(value: 0)
    /// Signalled when the thread has ended.
    private let ended = DispatchSemaphore(value: 0)
    private let descriptor: Int32
    private let report: @Sendable (Int) -> [UInt8]
    private let onDrop: @Sendable () -> Void

    /// - Parameters:
    ///   - descriptor: stays open for as long as the writer lives.
    ///   - report: makes the line that reports so many dropped lines.
    ///   - onDrop: called for each dropped line, on any thread.
    init(
        to descriptor: Int32, queue: LogQueue = LogQueue(), report: @escaping @Sendable (Int) -> [UInt8],
        onDrop: @escaping @Sendable () -> Void = {}
    ) {
        self.descriptor = descriptor
        self.report = report
        self.onDrop = onDrop
        state = Mutex(State(queue: queue))
    }

    /// Queues a line; drops it when the queue is full or the writer is closed.
    ///
    /// - Parameter line: with its final line feed.
    func write(_ line: [UInt8]) {
        let (isQueued, isFirst) = state.withLock { state in
            let isQueued = !state.isClosed && state.queue.append(line)
            defer { if isQueued { state.isRunning = true } }
            return (isQueued, isQueued && !state.isRunning)
        }
        guard isQueued else { return onDrop() }
        if isFirst { Thread { [self] in run() }.start() }
        arrivals.signal()
    }

    /// Waits until every line is written, for `limit` at most. Blocks the thread.
    func flush(within limit: Duration) {
        flush(until: Self.deadline(limit))
    }

    private func flush(until deadline: DispatchTime) {
        let done = DispatchSemaphore(value: 0)
        let isIdle = state.withLock { state in
            guard state.isRunning, state.isWriting || state.queue.hasLines else { return true }
            state.flushes.append(done)
            return false
        }
        guard !isIdle else { return }
        _ = done.wait(timeout: deadline)
    }

    /// Writes what is queued, for `limit` at most, and ends the thread. Lines that come later are dropped. If it returns
    /// before `limit` has passed, nothing is written to the descriptor any more.
    func close(within limit: Duration) {
        let deadline = Self.deadline(limit)
        flush(until: deadline)
        let isRunning = state.withLock { state in
            state.isClosed = true
            return state.isRunning
        }
        guard isRunning else { return }
        arrivals.signal()
        // Signalled again for another call.
        if ended.wait(timeout: deadline) == .success { ended.signal() }
    }

    private static func deadline(_ limit: Duration) -> DispatchTime {
        .now() + .milliseconds(Int(limit.milliseconds))
    }

    // MARK: On the thread

    private func run() {
        // A signal that the kernel gave to this thread would be lost for those who wait for it.
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_SETMASK, &signals, nil)
        // The last write took only a part of its line.
        var isCutShort = false
        repeat {
            arrivals.wait()
            while let item = take() {
                // What the system does not take, a full disk for instance, it is asked to take again with the next line.
                guard put(item, isCutShort: &isCutShort) || hasLines else { break }
            }
            endFlushes()
        } while !state.withLock(\.isClosed)
        ended.signal()
    }

    private var hasLines: Bool { state.withLock(\.queue.hasLines) }

    private func take() -> LogQueue.Item? {
        state.withLock { state in
            let item = state.queue.next()
            state.isWriting = item != nil
            return item
        }
    }

    private func endFlushes() {
        let flushes = state.withLock { state in
            state.isWriting = false
            // A line that has come since is written first.
            guard !state.queue.hasLines else { return [DispatchSemaphore]() }
            defer { state.flushes = [] }
            return state.flushes
        }
        for flush in flushes { flush.signal() }
    }

    /// - Returns: whether the system took it.
    private func put(_ item: LogQueue.Item, isCutShort: inout Bool) -> Bool {
        switch item {
        case .line(let line):
            guard !put(line, isCutShort: &isCutShort) else { return true }
            state.withLock { $0.queue.noteLost(1) }
            onDrop()
        case .dropped(let count):
            guard !put(report(count), isCutShort: &isCutShort) else { return true }
            // Those are counted already.
            state.withLock { $0.queue.noteLost(count) }
        }
        return false
    }

    /// Writes all of a line, however little of it each write(2) takes; ends the one before it if that was cut short.
    ///
    /// - Returns: whether the system took it.
    private func put(_ line: [UInt8], isCutShort: inout Bool) -> Bool {
        let octets = isCutShort ? [UInt8(ascii: "\n")] + line : line
        var written = 0
        while written < octets.count {
            let count = octets[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                written += count
            } else if count < 0, errno == EAGAIN {
                // Another process may have made the shared descriptor non-blocking.
                var look = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&look, 1, -1)
            } else if count == 0 || errno != EINTR {
                if written > 0 { isCutShort = octets[written - 1] != UInt8(ascii: "\n") }
                return false
            }
        }
        isCutShort = false
        return true
    }
}

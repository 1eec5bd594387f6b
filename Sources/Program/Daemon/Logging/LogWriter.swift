import Dispatch
import Foundation
import Glibc
import Synchronization

/// Writes log lines to a file descriptor on its own thread, so that a stalled reader blocks nothing else.
///
/// Concurrency: any thread may call `write`, which never waits for the reader. The thread starts with the first line.
/// Limits: those of `LogQueue`. A line reports the number of dropped lines as soon as writing is possible again.
/// Errors: a line that write(2) rejects (EPIPE, EIO, ENOSPC) counts as dropped.
final class LogWriter: Sendable {
    private struct State {
        var queue: LogQueue
        var isRunning = false
        /// A line has left the queue and is not yet written.
        var isWriting = false
        var isClosed = false
        /// Signalled when all lines are written.
        var flushes: [DispatchSemaphore] = []
    }

    private let state: Mutex<State>
    /// Signalled for each line, and for the close.
    private let arrivals = DispatchSemaphore(value: 0)
    /// Signalled when the thread has ended.
    private let ended = DispatchSemaphore(value: 0)
    private let descriptor: Int32
    private let report: @Sendable (Int) -> [UInt8]
    private let onDrop: @Sendable () -> Void

    /// - Parameters:
    ///   - descriptor: must stay open as long as the writer exists.
    ///   - report: returns the line that reports a number of dropped lines.
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

    /// Queues a line. Drops it if the queue is full or the writer is closed.
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

    /// Writes the queued lines, for `limit` at most, and ends the thread. Later lines are dropped. If it returns before
    /// `limit` has passed, the writer does not use the descriptor any more.
    func close(within limit: Duration) {
        let deadline = Self.deadline(limit)
        flush(until: deadline)
        let isRunning = state.withLock { state in
            state.isClosed = true
            return state.isRunning
        }
        guard isRunning else { return }
        arrivals.signal()
        // Signal again for another call of `close`.
        if ended.wait(timeout: deadline) == .success { ended.signal() }
    }

    private static func deadline(_ limit: Duration) -> DispatchTime {
        .now() + .milliseconds(Int(limit.milliseconds))
    }

    // MARK: The thread

    private func run() {
        // Other threads wait for signals, so the kernel must not deliver them to this one.
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_SETMASK, &signals, nil)
        // Whether the last write ended within a line.
        var isCutShort = false
        repeat {
            arrivals.wait()
            while let item = take() {
                // After an error, such as a full disk, the next line triggers the next attempt.
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
            // Newer lines are written first.
            guard !state.queue.hasLines else { return [DispatchSemaphore]() }
            defer { state.flushes = [] }
            return state.flushes
        }
        for flush in flushes { flush.signal() }
    }

    /// - Returns: whether write(2) accepted it.
    private func put(_ item: LogQueue.Item, isCutShort: inout Bool) -> Bool {
        switch item {
        case .line(let line):
            guard !put(line, isCutShort: &isCutShort) else { return true }
            state.withLock { $0.queue.noteLost(1) }
            onDrop()
        case .dropped(let count):
            guard !put(report(count), isCutShort: &isCutShort) else { return true }
            // `onDrop` was already called for these lines.
            state.withLock { $0.queue.noteLost(count) }
        }
        return false
    }

    /// Writes all of a line, in several calls of write(2) if needed. If the previous line was cut short, it ends that first.
    ///
    /// - Returns: whether write(2) accepted it.
    private func put(_ line: [UInt8], isCutShort: inout Bool) -> Bool {
        let octets = isCutShort ? [UInt8(ascii: "\n")] + line : line
        var written = 0
        while written < octets.count {
            let count = octets[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                written += count
            } else if count < 0, errno == EAGAIN {
                // Another process may have made the shared descriptor non-blocking.
                var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&request, 1, -1)
            } else if count == 0 || errno != EINTR {
                if written > 0 { isCutShort = octets[written - 1] != UInt8(ascii: "\n") }
                return false
            }
        }
        isCutShort = false
        return true
    }
}

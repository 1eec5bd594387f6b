import Dispatch
import Foundation
import Glibc
import Synchronization

/// Writes log lines to a file descriptor from a thread of its own, so that a reader that stalls stops nothing else.
///
/// Concurrency: any thread may call `write`, which never waits for the reader. The thread starts with the first line.
/// Limits: `LogQueue`. Dropped lines are reported in a line of their own as soon as one can be written again.
/// Errors: a line that the system does not take (EPIPE, EIO) counts as dropped.
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
        let done = DispatchSemaphore(value: 0)
        let isIdle = state.withLock { state in
            guard state.isRunning, state.isWriting || !state.queue.isEmpty else { return true }
            state.flushes.append(done)
            return false
        }
        guard !isIdle else { return }
        _ = done.wait(timeout: .now() + .milliseconds(limit.wholeMilliseconds))
    }

    /// Writes what is queued, for `limit` at most, and ends the thread. Lines that come later are dropped.
    func close(within limit: Duration) {
        flush(within: limit)
        state.withLock { $0.isClosed = true }
        arrivals.signal()
    }

    // MARK: On the thread

    private func run() {
        // A signal that the kernel gave to this thread would be lost for those who wait for it.
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_SETMASK, &signals, nil)
        repeat {
            arrivals.wait()
            while let item = take() { put(item) }
        } while !state.withLock(\.isClosed)
    }

    private func take() -> LogQueue.Item? {
        let (item, flushes) = state.withLock { state in
            let item = state.queue.next()
            state.isWriting = item != nil
            guard item == nil else { return (item, [DispatchSemaphore]()) }
            defer { state.flushes = [] }
            return (item, state.flushes)
        }
        for flush in flushes { flush.signal() }
        return item
    }

    private func put(_ item: LogQueue.Item) {
        switch item {
        case .line(let line):
            guard !put(line) else { return }
            state.withLock { $0.queue.noteLost() }
            onDrop()
        case .dropped(let count):
            _ = put(report(count))
        }
    }

    /// Writes all of it, however little of it each write(2) takes.
    ///
    /// - Returns: whether the system took it.
    private func put(_ octets: [UInt8]) -> Bool {
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
                return false
            }
        }
        return true
    }
}

extension Duration {
    fileprivate var wholeMilliseconds: Int {
        Int(components.seconds) * 1_000 + Int(components.attoseconds / 1_000_000_000_000_000)
    }
}

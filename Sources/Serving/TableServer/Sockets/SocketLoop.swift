import CLinux
import Glibc
import LocalSystem
import Synchronization
import UnixSockets

/// A thread that accepts connections and serves them, using epoll(7).
///
/// SwiftNIO would do the same for twice the time of a lookup: Documentation/performance.md has the comparison. Only the
/// sockets are here; `TableConnection` and its state machine know nothing of them.
/// Concurrency: any thread. Each call sends a command to the thread, which runs until `end`.
/// Errors: `SystemCallError` if the kernel gives no epoll instance or no thread.
/// Not here: binding (Listener), the state of a connection (TableConnection).
final class SocketLoop: Sendable {
    /// Names a socket as long as the loop lives.
    typealias SocketID = UInt64

    /// Makes the connection of an accepted socket, on the thread. `nil`: the socket is closed.
    typealias Accept = @Sendable (any ConnectionSocket, any ConnectionQueue) -> TableConnection?

    struct ListeningSocket: Sendable {
        /// It does not block, and it listens.
        let descriptor: Int32
        let isTCP: Bool
        let accept: Accept
        /// This process or host has no descriptor or memory for another connection. The argument is an errno.
        let onExhausted: @Sendable (Int32) -> Void
    }

    enum Command: Sendable {
        case listen(SocketID, ListeningSocket)
        case stopListening(SocketID, acceptsQueue: Bool, CheckedContinuation<Void, Never>)
        case deliver(ConnectionMessage, to: SocketID)
        case end
    }

    private struct Inbox {
        var commands: [Command] = []
        var hasEnded = false
    }

    let epoll: Int32
    let wakeup: Int32
    private let inbox = Mutex(Inbox())
    private let lastID = Atomic<SocketID>(SocketLoop.wakeupID)

    /// The token of `wakeup` in events.
    static let wakeupID: SocketID = 0

    init() throws(SystemCallError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw SystemCallError(code: errno) }
        wakeup = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard wakeup >= 0 else {
            let code = errno
            close(epoll)
            throw SystemCallError(code: code)
        }
        // Without it no command would reach the thread.
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: Self.wakeupID))
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, wakeup, &event) == 0 else { throw SystemCallError(code: errno) }
        let thread = BackgroundThread { [self] in SocketLoopWorker(loop: self).run() }
        guard thread.start() else { throw SystemCallError(code: errno) }
    }

    deinit {
        close(wakeup)
        close(epoll)
    }

    func newID() -> SocketID { lastID.add(1, ordering: .relaxed).newValue }

    /// Accepts connections from now on. The loop owns the descriptor.
    func listen(on socket: ListeningSocket) -> SocketID {
        let id = newID()
        send(.listen(id, socket))
        return id
    }

    /// Closes a listening socket. Accepted connections stay.
    ///
    /// - Parameter acceptsQueue: accepts the connections in the queue before.
    func stopListening(_ id: SocketID, acceptsQueue: Bool) async {
        await withCheckedContinuation { continuation in
            send(.stopListening(id, acceptsQueue: acceptsQueue, continuation))
        }
    }

    /// Closes all sockets and ends the thread.
    func end() { send(.end) }

    func send(_ command: Command) {
        let (isFirst, isRejected) = inbox.withLock { inbox -> (Bool, Bool) in
            guard !inbox.hasEnded else { return (false, true) }
            inbox.commands.append(command)
            return (inbox.commands.count == 1, false)
        }
        if isFirst { wake() }
        if isRejected { Self.reject(command) }
    }

    private func wake() {
        var one: UInt64 = 1
        _ = write(wakeup, &one, MemoryLayout<UInt64>.size)
    }

    private static func reject(_ command: Command) {
        switch command {
        case .listen(_, let socket): close(socket.descriptor)
        case .stopListening(_, _, let continuation): continuation.resume()
        case .deliver, .end: break
        }
    }

    // MARK: For the thread

    func takeCommands() -> [Command] {
        inbox.withLock { inbox in
            defer { inbox.commands = [] }
            return inbox.commands
        }
    }

    /// The last call of the thread.
    func signalEnd() {
        let rest = inbox.withLock { inbox in
            inbox.hasEnded = true
            defer { inbox.commands = [] }
            return inbox.commands
        }
        for command in rest { Self.reject(command) }
    }

    /// The queue of one connection.
    struct Queue: ConnectionQueue {
        let loop: SocketLoop
        let id: SocketID

        func post(_ message: ConnectionMessage) { loop.send(.deliver(message, to: id)) }
    }
}

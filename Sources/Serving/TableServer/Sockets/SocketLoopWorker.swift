import CLinux
import Glibc
import HeapModule
import NIOCore

/// Runs a `SocketLoop`: handles commands, waits for sockets and timers, accepts and reads.
///
/// Concurrency: made, run and released on one thread; not Sendable.
/// Limits: one read of a connection takes at most 16 KiB, and one look at a queue accepts at most 64 connections, so that no
/// peer delays the others for long.
/// Errors: if it cannot accept, for example without descriptors or memory, it pauses a listening socket for 100 ms, as often as
/// needed; connections stay in the queue.
final class SocketLoopWorker {
    typealias SocketID = SocketLoop.SocketID

    private struct Timer: Comparable {
        enum Kind {
            case connection(ConnectionTimer)
            /// Accept again.
            case listener
        }

        let time: NIODeadline
        let socket: SocketID
        let kind: Kind

        static func < (left: Timer, right: Timer) -> Bool { left.time < right.time }
        static func == (left: Timer, right: Timer) -> Bool { left.time == right.time }
    }

    private let loop: SocketLoop
    private var listeners: [SocketID: SocketLoop.ListeningSocket] = [:]
    private var clients: [SocketID: ClientSocket] = [:]
    private var timers = Heap<Timer>()
    private var hasEnded = false
    /// The time at which the last events were received.
    private(set) var now = NIODeadline.now()
    /// The memory of all reads. A connection that retains unfinished input copies it.
    private var input = ByteBuffer()
    private let events = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: 256)

    private static let maximumRead = 16_384
    private static let maximumAccepts = 64
    private static let pause = TimeAmount.milliseconds(100)
    private static let maximumQueueTime = TimeAmount.seconds(1)

    init(loop: SocketLoop) {
        self.loop = loop
    }

    deinit { events.deallocate() }

    func run() {
        while !hasEnded {
            let count = epoll_wait(loop.epoll, events.baseAddress, Int32(events.count), timeout)
            now = .now()
            for index in 0..<max(0, Int(count)) { handle(events[index]) }
            fireTimers()
        }
        for client in clients.values { client.close() }
        for listener in listeners.values { Glibc.close(listener.descriptor) }
        loop.signalEnd()
    }

    /// Milliseconds until the next timer; -1: there is none.
    private var timeout: Int32 {
        guard let next = timers.min else { return -1 }
        return Int32(clamping: max(0, ((next.time - .now()).nanoseconds + 999_999) / 1_000_000))
    }

    private func handle(_ event: epoll_event) {
        let id = event.data.u64
        if let client = clients[id] { return client.handle(event.events) }
        if let listener = listeners[id] { return acceptConnections(of: listener, id: id) }
        guard id == SocketLoop.wakeupID else { return }
        var value: UInt64 = 0
        _ = Glibc.read(loop.wakeup, &value, MemoryLayout<UInt64>.size)
        for command in loop.takeCommands() { handle(command) }
    }

    private func handle(_ command: SocketLoop.Command) {
        switch command {
        case .listen(let id, let socket):
            listeners[id] = socket
            watch(socket, id: id)
        case .stopListening(let id, let acceptsQueue, let continuation):
            stopListening(id, acceptsQueue: acceptsQueue)
            continuation.resume()
        case .deliver(let message, let id): clients[id]?.connection?.receive(message)
        case .end: hasEnded = true
        }
    }

    // MARK: Listening

    private func acceptConnections(of listener: SocketLoop.ListeningSocket, id: SocketID) {
        for _ in 0..<Self.maximumAccepts {
            guard let code = acceptConnection(of: listener) else { continue }
            if code == EAGAIN { return }
            guard !Self.concernsOneConnection(code) else { continue }
            // epoll would report the socket again at once. Not EPOLL_CTL_MOD, which cannot hide EPOLLHUP.
            listener.onExhausted(code)
            control(EPOLL_CTL_DEL, descriptor: listener.descriptor, id: id, events: 0)
            return pause(id)
        }
    }

    /// Whether an errno of accept(2) is that of a connection in the queue, so that the next connection may be good.
    private static func concernsOneConnection(_ code: Int32) -> Bool {
        [
            ECONNABORTED, EINTR, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
            ENETUNREACH,
        ].contains(code)
    }

    /// Accepts from now on, or as soon as the kernel has memory for that.
    private func watch(_ listener: SocketLoop.ListeningSocket, id: SocketID) {
        if !control(EPOLL_CTL_ADD, descriptor: listener.descriptor, id: id, events: EPOLLIN.rawValue) {
            listener.onExhausted(errno)
            pause(id)
        }
    }

    private func pause(_ listener: SocketID) {
        timers.insert(Timer(time: now + Self.pause, socket: listener, kind: .listener))
    }

    /// - Returns: `nil`, or the errno of accept(2).
    private func acceptConnection(of listener: SocketLoop.ListeningSocket) -> Int32? {
        let descriptor = sts_accept(listener.descriptor)
        guard descriptor >= 0 else { return errno }
        if listener.isTCP {
            var on: Int32 = 1
            setsockopt(
                descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        let client = ClientSocket(descriptor: descriptor, id: loop.newID(), worker: self)
        guard let connection = listener.accept(client, SocketLoop.Queue(loop: loop, id: client.id)) else {
            Glibc.close(descriptor)
            return nil
        }
        clients[client.id] = client
        let isWatched = control(EPOLL_CTL_ADD, descriptor: descriptor, id: client.id, events: EPOLLIN.rawValue)
        client.begin(connection)
        // Without memory in the kernel. Postfix connects again.
        if !isWatched { client.close() }
        return nil
    }

    private func stopListening(_ id: SocketID, acceptsQueue: Bool) {
        guard let listener = listeners.removeValue(forKey: id) else { return }
        let deadline = NIODeadline.now() + Self.maximumQueueTime
        if acceptsQueue {
            while NIODeadline.now() < deadline {
                if let code = acceptConnection(of: listener), !Self.concernsOneConnection(code) { break }
            }
        }
        // The service manager may have the socket too, so that closing our descriptor does not remove it from epoll.
        control(EPOLL_CTL_DEL, descriptor: listener.descriptor, id: id, events: 0)
        Glibc.close(listener.descriptor)
    }

    // MARK: For client sockets

    /// Calls epoll_ctl(2).
    ///
    /// - Returns: `false` after an error, with errno. Only EPOLL_CTL_ADD can fail, if the kernel has no memory for it.
    @discardableResult
    func control(_ operation: Int32, descriptor: Int32, id: SocketID, events: UInt32) -> Bool {
        var event = epoll_event(events: events, data: epoll_data_t(u64: id))
        return epoll_ctl(loop.epoll, operation, descriptor, &event) == 0
    }

    enum ReadResult {
        /// They may share the memory of all reads.
        case octets(ByteBuffer)
        case end
        /// An errno.
        case failed(Int32)
    }

    func read(_ descriptor: Int32) -> ReadResult {
        var result = 0
        input.clear()
        input.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.maximumRead) { memory in
            result = recv(descriptor, memory.baseAddress, Self.maximumRead, 0)
            return max(0, result)
        }
        if result > 0 { return .octets(input) }
        return result == 0 ? .end : .failed(errno)
    }

    func remove(_ client: ClientSocket) { clients[client.id] = nil }

    func setTimer(_ timer: ConnectionTimer, of client: SocketID, at deadline: NIODeadline) {
        timers.insert(Timer(time: deadline, socket: client, kind: .connection(timer)))
    }

    private func fireTimers() {
        while let first = timers.min, first.time <= now {
            timers.removeMin()
            switch first.kind {
            case .connection(let timer): clients[first.socket]?.connection?.timerExpired(timer)
            case .listener:
                if let listener = listeners[first.socket] { watch(listener, id: first.socket) }
            }
        }
    }
}

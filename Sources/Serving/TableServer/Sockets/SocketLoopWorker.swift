import CLinux
import Glibc
import HeapModule
import NIOCore

/// Runs a `SocketLoop`: handles commands, waits for sockets and timers, accepts and reads.
///
/// Concurrency: made, run and released on one thread; not Sendable.
/// Limits: one read of a connection takes at most 16 KiB, and one look at a queue accepts at most 64 connections, so that no
/// peer delays the others for long.
/// Errors: without descriptors or memory it pauses a listening socket for 100 ms; connections stay in the queue.
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
        control(EPOLL_CTL_ADD, descriptor: loop.wakeup, id: SocketLoop.wakeupID, events: EPOLLIN.rawValue)
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
            control(EPOLL_CTL_ADD, descriptor: socket.descriptor, id: id, events: EPOLLIN.rawValue)
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
            switch code {
            case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                listener.onExhausted(code)
                control(EPOLL_CTL_DEL, descriptor: listener.descriptor, id: id, events: 0)
                timers.insert(Timer(time: now + Self.pause, socket: id, kind: .listener))
                return
            // accept(2): an error of one connection that is already pending. The next may be good.
            case ECONNABORTED, EINTR, EPROTO: continue
            default: return
            }
        }
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
        control(EPOLL_CTL_ADD, descriptor: descriptor, id: client.id, events: EPOLLIN.rawValue)
        client.begin(connection)
        return nil
    }

    private func stopListening(_ id: SocketID, acceptsQueue: Bool) {
        guard let listener = listeners.removeValue(forKey: id) else { return }
        let deadline = NIODeadline.now() + Self.maximumQueueTime
        if acceptsQueue {
            while acceptConnection(of: listener) == nil, NIODeadline.now() < deadline {}
        }
        // The service manager may have the socket too, so that closing our descriptor does not remove it from epoll.
        control(EPOLL_CTL_DEL, descriptor: listener.descriptor, id: id, events: 0)
        Glibc.close(listener.descriptor)
    }

    // MARK: For client sockets

    func control(_ operation: Int32, descriptor: Int32, id: SocketID, events: UInt32) {
        var event = epoll_event(events: events, data: epoll_data_t(u64: id))
        // Fails only for a descriptor that is not watched or is watched already.
        _ = epoll_ctl(loop.epoll, operation, descriptor, &event)
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
                guard let listener = listeners[first.socket] else { continue }
                control(EPOLL_CTL_ADD, descriptor: listener.descriptor, id: first.socket, events: EPOLLIN.rawValue)
            }
        }
    }
}

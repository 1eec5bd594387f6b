import CLinux
import Glibc
import NIOCore

/// An accepted socket of a `SocketLoop`.
///
/// Concurrency: the loop's thread only.
/// Limits: holds the octets of one write that the kernel has not taken yet.
final class ClientSocket: ConnectionSocket {
    let id: SocketLoop.SocketID
    /// `nil` before `begin` and after the socket is closed.
    private(set) var connection: TableConnection?
    private let descriptor: Int32
    private unowned let worker: SocketLoopWorker
    private var isOpen = true
    /// Whether the connection has allowed a read that has not happened yet.
    private var mayRead = false
    private var hasInputEnded = false
    /// Octets that the kernel has not taken yet.
    private var unsent = ByteBuffer()
    private var isFlushAwaited = false
    /// The events that epoll watches for.
    private var watched = EPOLLIN.rawValue

    init(descriptor: Int32, id: SocketLoop.SocketID, worker: SocketLoopWorker) {
        self.descriptor = descriptor
        self.id = id
        self.worker = worker
    }

    /// Passes events to this connection from now on.
    func begin(_ connection: TableConnection) {
        self.connection = connection
        connection.readRequested()
    }

    // MARK: Events

    func handle(_ events: UInt32) {
        guard let connection else { return }
        if events & EPOLLOUT.rawValue != 0 { sendRest(of: connection) }
        guard isOpen else { return }
        let hasFailed = events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
        if mayRead, !hasInputEnded {
            if hasFailed || events & EPOLLIN.rawValue != 0 { read(for: connection) }
        } else if hasFailed {
            // The peer has closed both directions, or has reset the connection: no reply can reach it.
            connection.failed(reason: "the peer has closed the connection")
        } else if events & EPOLLIN.rawValue != 0 {
            watch(watched & ~EPOLLIN.rawValue)
        }
    }

    private func read(for connection: TableConnection) {
        switch worker.read(descriptor) {
        case .octets(let octets):
            mayRead = false
            connection.received(octets)
        case .end:
            hasInputEnded = true
            watch(watched & ~EPOLLIN.rawValue)
            return connection.inputClosed()
        case .failed(EAGAIN), .failed(EINTR): return
        case .failed(let code): return connection.failed(reason: String(cString: strerror(code)))
        }
        connection.readCompleted()
        connection.readRequested()
    }

    private func watch(_ events: UInt32) {
        guard events != watched, isOpen else { return }
        watched = events
        worker.control(EPOLL_CTL_MOD, descriptor: descriptor, id: id, events: events)
    }

    // MARK: Actions

    var isWritable: Bool { isOpen && unsent.readableBytes == 0 }

    var now: NIODeadline { worker.now }

    func read() {
        mayRead = true
        if !hasInputEnded { watch(watched | EPOLLIN.rawValue) }
    }

    func write(_ octets: ByteBuffer) {
        guard isOpen else { return }
        unsent = octets
        send()
        if unsent.readableBytes > 0 { watch(watched | EPOLLOUT.rawValue) }
    }

    /// Sends as much as the kernel takes now.
    private func send() {
        while unsent.readableBytes > 0 {
            let count = unsent.withUnsafeReadableBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                unsent.moveReaderIndex(forwardBy: count)
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                let reason = String(cString: strerror(errno))
                unsent = ByteBuffer()
                connection?.failed(reason: reason)
                return
            }
        }
        // Releases the memory, which belongs to the connection.
        unsent = ByteBuffer()
    }

    private func sendRest(of connection: TableConnection) {
        send()
        guard isWritable else { return }
        watch(watched & ~EPOLLOUT.rawValue)
        connection.writabilityChanged()
        if isFlushAwaited { connection.flushed() }
    }

    func awaitFlush() {
        isFlushAwaited = true
        if unsent.readableBytes == 0 { connection?.flushed() }
    }

    func setTimer(_ timer: ConnectionTimer, at deadline: NIODeadline) {
        worker.setTimer(timer, of: id, at: deadline)
    }

    func closeOutput() { Glibc.shutdown(descriptor, Int32(SHUT_WR)) }

    func close() {
        guard isOpen else { return }
        isOpen = false
        worker.control(EPOLL_CTL_DEL, descriptor: descriptor, id: id, events: 0)
        worker.remove(self)
        Glibc.close(descriptor)
        let last = connection
        connection = nil
        last?.becameInactive()
    }
}

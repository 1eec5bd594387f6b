import CLinux
import Glibc
import TextFormats

/// Waits for sockets using epoll(7), and for wake-ups from other threads using eventfd(2).
///
/// Concurrency: `wake()` from any thread; everything else on the waiting thread.
final class Poller: Sendable {
    /// The owner of a socket chooses it, and gets it back with each event.
    typealias Token = UInt64

    struct Event {
        let token: Token
        let isReadable: Bool
        let isWritable: Bool
    }

    private let epoll: Int32
    private let wakeup: Int32
    private static let wakeupToken = Token.max
    /// The maximum number of events at once, so that a loop iteration takes at most about 200 microseconds.
    private static let maximumEvents = 64

    init() throws(DNSSocket.SystemCallError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw DNSSocket.SystemCallError("epoll_create1") }
        wakeup = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard wakeup >= 0 else {
            let error = DNSSocket.SystemCallError("eventfd")
            close(epoll)
            throw error
        }
        try control(EPOLL_CTL_ADD, descriptor: wakeup, token: Self.wakeupToken, events: EPOLLIN.rawValue)
    }

    deinit {
        close(wakeup)
        close(epoll)
    }

    func wake() {
        var one: UInt64 = 1
        _ = write(wakeup, &one, MemoryLayout<UInt64>.size)
    }

    func add(_ socket: DNSSocket, token: Token, isWriting: Bool = false) throws(DNSSocket.SystemCallError) {
        let events = isWriting ? EPOLLOUT.rawValue : EPOLLIN.rawValue
        try control(EPOLL_CTL_ADD, descriptor: socket.descriptor, token: token, events: events)
    }

    /// Watches for reading instead of writing.
    func watchReading(_ socket: DNSSocket, token: Token) throws(DNSSocket.SystemCallError) {
        try control(EPOLL_CTL_MOD, descriptor: socket.descriptor, token: token, events: EPOLLIN.rawValue)
    }

    private func control(
        _ operation: Int32, descriptor: Int32, token: Token, events: UInt32
    ) throws(DNSSocket.SystemCallError) {
        var event = epoll_event(events: events, data: epoll_data_t(u64: token))
        guard epoll_ctl(epoll, operation, descriptor, &event) == 0 else {
            throw DNSSocket.SystemCallError("epoll_ctl")
        }
    }

    /// Waits for events, at most for `limit`; without a limit if `nil`. A wake-up alone returns an empty list.
    func wait(atMost limit: Duration?) -> [Event] {
        var ready = [epoll_event](repeating: epoll_event(), count: Self.maximumEvents)
        let count = epoll_wait(epoll, &ready, Int32(ready.count), limit.map(\.millisecondsRoundedUp) ?? -1)
        guard count > 0 else { return [] }
        return ready[..<Int(count)].compactMap { event in
            guard event.data.u64 != Self.wakeupToken else {
                var value: UInt64 = 0
                _ = read(wakeup, &value, MemoryLayout<UInt64>.size)
                return nil
            }
            // The owner reads errors and hang-ups from the socket.
            let other = EPOLLERR.rawValue | EPOLLHUP.rawValue
            return Event(
                token: event.data.u64, isReadable: event.events & (EPOLLIN.rawValue | other) != 0,
                isWritable: event.events & (EPOLLOUT.rawValue | other) != 0)
        }
    }
}

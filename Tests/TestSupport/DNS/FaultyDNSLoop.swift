import Glibc

/// The thread of a `FaultyDNSServer`: waits for queries with poll(2), and sends responses when they are due.
///
/// Concurrency: one thread uses it.
/// Errors: ignored; a datagram that cannot be sent is lost, a connection that fails is closed.
struct FaultyDNSLoop {
    private enum Outgoing {
        case datagram([UInt8], to: sockaddr_in, from: Int32)
        /// `connection` differs for a later connection with the same descriptor.
        case stream([UInt8], descriptor: Int32, connection: UInt64, closes: Bool)
    }

    private let sockets: ServerSockets
    private let wakeUp: Int32
    private let shared: FaultyDNSServer.Shared
    private var delayed = DelayQueue<Outgoing>()
    private var connections: [Int32: FaultyDNSConnection] = [:]
    private var nextConnection: UInt64 = 0
    /// For poll(2): `wakeUp`, the datagrams, the listener, then the connections.
    private var polled: [pollfd] = []
    private var isPolledStale = true
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    init(sockets: ServerSockets, wakeUp: Int32, shared: FaultyDNSServer.Shared) {
        self.sockets = sockets
        self.wakeUp = wakeUp
        self.shared = shared
    }

    /// Returns when the server is stopped, with all sockets closed.
    mutating func run() {
        while !shared.isStopped {
            if isPolledStale { refreshPolled() }
            _ = poll(&polled, nfds_t(polled.count), waitMilliseconds())
            for entry in polled where entry.revents != 0 {
                if entry.fd == sockets.datagrams {
                    receiveDatagrams()
                } else if entry.fd == sockets.listener {
                    accept()
                } else if entry.fd != wakeUp {
                    serve(entry.fd)
                }
            }
            sendDue()
        }
        for descriptor in sockets.all + connections.keys { close(descriptor) }
    }

    private mutating func refreshPolled() {
        polled = [wakeUp, sockets.datagrams, sockets.listener].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        for connection in connections.values {
            let events = connection.unsent.isEmpty ? POLLIN : POLLIN | POLLOUT
            polled.append(pollfd(fd: connection.descriptor, events: Int16(events), revents: 0))
        }
        isPolledStale = false
    }

    /// Until the next response is due, rounded up; -1 waits for ever.
    private func waitMilliseconds() -> Int32 {
        guard let next = delayed.next else { return -1 }
        let wait = next - .now
        guard wait > .zero else { return 0 }
        return Int32(min(wait / .milliseconds(1), 3_600_000).rounded(.up))
    }

    private mutating func sendDue() {
        guard delayed.next != nil else { return }
        let now = ContinuousClock.now
        while let outgoing = delayed.removeDue(at: now) { send(outgoing) }
    }

    private mutating func schedule(_ outgoing: Outgoing, after delay: Duration) {
        if delay <= .zero { send(outgoing) } else { delayed.insert(outgoing, at: .now + delay) }
    }

    private mutating func send(_ outgoing: Outgoing) {
        switch outgoing {
        case .datagram(let bytes, let peer, let descriptor):
            var peer = peer
            withUnsafePointer(to: &peer) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        case .stream(let bytes, let descriptor, let number, let closes):
            guard connections[descriptor]?.number == number else { return }
            connections[descriptor]?.unsent += bytes
            if closes { connections[descriptor]?.closesWhenSent = true }
            flush(descriptor)
        }
    }

    // MARK: UDP

    /// At most 256 at a time, so that delayed responses are not late during a burst.
    private mutating func receiveDatagrams() {
        for _ in 0..<256 {
            var peer = sockaddr_in()
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &peer) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(sockets.datagrams, &buffer, buffer.count, 0, $0, &size)
                }
            }
            guard count >= 0 else { return }
            let sourcePort = UInt16(bigEndian: peer.sin_port)
            guard let query = DNSQuery(Array(buffer[..<count]), sourcePort: sourcePort, overTCP: false),
                let decision = shared.decision(on: query)
            else { continue }
            answer(decision, to: peer)
        }
    }

    private mutating func answer(_ decision: DNSDecision, to peer: sockaddr_in) {
        let behavior = decision.behavior
        let genuine = decision.query.response(behavior.content, isTruncated: behavior.isTruncated)
        for forgery in behavior.forgeries {
            let source =
                switch forgery {
                case .otherPort: sockets.otherPort
                case .otherAddress: sockets.otherAddress
                case .wrongID, .wrongName, .wrongType, .malformed: sockets.datagrams
                }
            send(
                .datagram(forgery.message(for: decision.query, genuine: genuine ?? []), to: peer, from: source))
        }
        guard var message = genuine, !decision.losesResponse else { return }
        if let corruption = behavior.corruption { message = corruption.apply(to: message, for: decision.query) }
        for _ in 0..<behavior.copies {
            schedule(.datagram(message, to: peer, from: sockets.datagrams), after: behavior.delay)
        }
    }

    // MARK: TCP

    private mutating func accept() {
        while true {
            var peer = sockaddr_in()
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let descriptor = withUnsafeMutablePointer(to: &peer) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.accept(sockets.listener, $0, &size)
                }
            }
            guard descriptor >= 0 else { return }
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            connections[descriptor] = FaultyDNSConnection(
                descriptor: descriptor, number: nextConnection, sourcePort: UInt16(bigEndian: peer.sin_port))
            nextConnection += 1
            isPolledStale = true
        }
    }

    private mutating func serve(_ descriptor: Int32) {
        flush(descriptor)
        guard var connection = connections[descriptor] else { return }
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count == 0 || count < 0 && errno != EAGAIN { return remove(descriptor) }
        guard count > 0 else { return }
        connection.received += buffer[..<count]
        var queries: [DNSQuery] = []
        while let bytes = connection.nextMessage() {
            if let query = DNSQuery(bytes, sourcePort: connection.sourcePort, overTCP: true) { queries.append(query) }
        }
        connections[descriptor] = connection
        for query in queries {
            if let decision = shared.decision(on: query) { answer(decision, on: descriptor, number: connection.number) }
        }
    }

    private mutating func answer(_ decision: DNSDecision, on descriptor: Int32, number: UInt64) {
        let behavior = decision.behavior
        guard var message = decision.query.response(behavior.content) else { return }
        if let corruption = behavior.corruption { message = corruption.apply(to: message, for: decision.query) }
        let framed = [UInt8(message.count >> 8), UInt8(message.count & 0xff)] + message
        let bytes: [UInt8]
        switch behavior.tcpFault {
        case nil: bytes = framed
        case .stall: return
        case .stallAfterHalf: bytes = Array(framed.prefix(framed.count / 2))
        case .close: bytes = []
        }
        let closes = behavior.tcpFault == .close
        schedule(
            .stream(bytes, descriptor: descriptor, connection: number, closes: closes), after: behavior.delay)
    }

    private mutating func flush(_ descriptor: Int32) {
        guard var connection = connections[descriptor] else { return }
        if !connection.unsent.isEmpty {
            let count = Glibc.send(descriptor, connection.unsent, connection.unsent.count, Int32(MSG_NOSIGNAL))
            if count < 0, errno != EAGAIN { return remove(descriptor) }
            connection.unsent.removeFirst(max(count, 0))
            connections[descriptor] = connection
            isPolledStale = true
        }
        if connection.unsent.isEmpty, connection.closesWhenSent { remove(descriptor) }
    }

    private mutating func remove(_ descriptor: Int32) {
        close(descriptor)
        connections[descriptor] = nil
        isPolledStale = true
    }
}

/// One TCP connection of a `FaultyDNSServer`.
struct FaultyDNSConnection {
    let descriptor: Int32
    let number: UInt64
    let sourcePort: UInt16
    var received: [UInt8] = []
    var unsent: [UInt8] = []
    var closesWhenSent = false

    /// Removes a whole message from `received`, without its length (RFC 1035 §4.2.2).
    mutating func nextMessage() -> [UInt8]? {
        guard received.count >= 2 else { return nil }
        let end = 2 + (Int(received[0]) << 8 | Int(received[1]))
        guard received.count >= end else { return nil }
        defer { received.removeSubrange(..<end) }
        return Array(received[2..<end])
    }
}

import Dispatch
import Glibc
import Synchronization

/// A server with scripted faults: UDP and TCP on one loopback port.
///
/// Concurrency: all sockets live on one serial queue; counts and waiters are behind a mutex.
final class StubServer: @unchecked Sendable {
    // Unchecked: dispatch sources may be used from any thread (libdispatch), they are only not marked so.
    struct Query: Sendable {
        let bytes: [UInt8]
        let overTCP: Bool

        /// The question's type.
        var type: UInt16 {
            var position = 12
            while position < bytes.count, bytes[position] != 0 { position += 1 + Int(bytes[position]) }
            return position + 2 < bytes.count ? UInt16(bytes[position + 1]) << 8 | UInt16(bytes[position + 2]) : 0
        }

        /// The name's labels.
        var name: String {
            var labels: [String] = []
            var position = 12
            while position < bytes.count, bytes[position] != 0 {
                let end = position + 1 + Int(bytes[position])
                labels.append(String(decoding: bytes[(position + 1)..<end], as: UTF8.self))
                position = end
            }
            return labels.joined(separator: ".").lowercased()
        }

        /// A response: header, the question, then records as given in wire form.
        func response(code: UInt8 = 0, flags: UInt16 = 0, answers: [[UInt8]] = []) -> [UInt8] {
            var end = 12
            while bytes[end] != 0 { end += 1 + Int(bytes[end]) }
            let flags = 0x8180 | flags | UInt16(code)
            let counts: [UInt8] = [0, 1, UInt8(answers.count >> 8), UInt8(answers.count & 0xff), 0, 0, 0, 0]
            let header = bytes[..<2] + [UInt8(flags >> 8), UInt8(flags & 0xff)] + counts
            return Array(header) + bytes[12..<(end + 5)] + answers.flatMap(\.self)
        }
    }

    enum Reaction: Sendable {
        case answer([UInt8])
        case noAnswer
        /// Answers when `release` is called.
        case hold([UInt8])
    }

    let port: UInt16
    private let queue = DispatchQueue(label: "stub")
    private let sources: [any DispatchSourceRead]
    private let react: @Sendable (Query) -> Reaction
    private let state = Mutex(State())
    /// Entered once for each open socket.
    private let open = DispatchGroup()

    private struct State {
        var queries: [Query] = []
        var names: Set<String> = []
        var isReleased = false
        var delayed: [@Sendable () -> Void] = []
        var waiters: [(isEnough: @Sendable (State) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
    }

    init(port: UInt16? = nil, react: @escaping @Sendable (Query) -> Reaction) throws {
        let (datagrams, streams) = try Self.sockets(port)
        self.port = datagrams.port
        self.react = react
        // A thousand questions at once must all fit into the receive buffer.
        var capacity: Int32 = 4 << 20
        setsockopt(datagrams.descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &capacity, socklen_t(MemoryLayout<Int32>.size))
        listen(streams.descriptor, 128)
        sources = [datagrams, streams].map { [queue, open] socket in
            let source = DispatchSource.makeReadSource(fileDescriptor: socket.descriptor, queue: queue)
            open.enter()
            source.setCancelHandler {
                socket.close()
                open.leave()
            }
            return source
        }
        sources[0].setEventHandler { [weak self] in self?.receive(datagrams.descriptor) }
        sources[1].setEventHandler { [weak self] in self?.accept(streams.descriptor) }
        for source in sources { source.activate() }
    }

    /// Both on one port; another one is taken when the free one was lost to a neighbour.
    private static func sockets(_ port: UInt16?) throws -> (LoopbackSocket, LoopbackSocket) {
        for _ in 0..<50 {
            let datagrams = try LoopbackSocket("127.0.0.1", port: port ?? 0, type: LoopbackSocket.datagram)
            do {
                return (
                    datagrams, try LoopbackSocket("127.0.0.1", port: datagrams.port, type: LoopbackSocket.stream)
                )
            } catch {
                datagrams.close()
                if port != nil { throw error }
            }
        }
        throw KnotServer.StartError(description: "no free port")
    }

    deinit { for source in sources { source.cancel() } }

    /// Closes the sockets and returns when they are closed.
    func stop() {
        for source in sources { source.cancel() }
        open.wait()
    }

    var queries: [Query] { state.withLock(\.queries) }

    /// Returns once so many queries have come, repeats among them.
    func received(_ count: Int) async { await received { $0.queries.count >= count } }

    /// Returns once queries for so many names have come.
    func received(names count: Int) async { await received { $0.names.count >= count } }

    /// Returns once this name was asked for.
    func received(name: String) async { await received { $0.names.contains(name) } }

    private func received(_ isEnough: @escaping @Sendable (State) -> Bool) async {
        await withCheckedContinuation { continuation in
            let enough = state.withLock { state in
                if isEnough(state) { return true }
                state.waiters.append((isEnough, continuation))
                return false
            }
            if enough { continuation.resume() }
        }
    }

    /// Sends the answers held back so far, and holds none back any more: a repeat may be on its way from a new port, and
    /// the port of the first try be closed.
    func release() {
        let delayed = state.withLock { state in
            defer { state.delayed = [] }
            state.isReleased = true
            return state.delayed
        }
        for send in delayed { send() }
    }

    private func receive(_ descriptor: Int32) {
        var bytes = [UInt8](repeating: 0, count: 4096)
        var peer = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &bytes, bytes.count, 0, $0, &size)
            }
        }
        guard count >= 17 else { return }
        let to = peer
        handle(Query(bytes: Array(bytes[..<count]), overTCP: false)) { response in
            var peer = to
            withUnsafePointer(to: &peer) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    _ = sendto(
                        descriptor, response, response.count, 0, address, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }

    /// One query a connection, at most a second for it.
    private func accept(_ listener: Int32) {
        let connection = Glibc.accept(listener, nil, nil)
        guard connection >= 0 else { return }
        defer { close(connection) }
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var length: [UInt8] = [0, 0]
        guard recv(connection, &length, 2, Int32(MSG_WAITALL)) == 2 else { return }
        var bytes = [UInt8](repeating: 0, count: Int(length[0]) << 8 | Int(length[1]))
        guard recv(connection, &bytes, bytes.count, Int32(MSG_WAITALL)) == bytes.count, bytes.count >= 17
        else { return }
        handle(Query(bytes: bytes, overTCP: true)) { response in
            let framed = [UInt8(response.count >> 8), UInt8(response.count & 0xff)] + response
            _ = send(connection, framed, framed.count, Int32(MSG_NOSIGNAL))
        }
    }

    private func handle(_ query: Query, send: @escaping @Sendable ([UInt8]) -> Void) {
        let reaction = react(query)
        let (ready, now) = state.withLock { state in
            var now: [UInt8]?
            if case .answer(let response) = reaction { now = response }
            state.queries.append(query)
            state.names.insert(query.name)
            if case .hold(let response) = reaction {
                if state.isReleased { now = response } else { state.delayed.append { send(response) } }
            }
            let snapshot = state
            let ready = state.waiters.filter { $0.isEnough(snapshot) }
            state.waiters.removeAll { $0.isEnough(snapshot) }
            return (ready, now)
        }
        if let now { send(now) }
        for waiter in ready { waiter.continuation.resume() }
    }
}

/// A record of the question's name (a pointer to offset 12), class IN.
func record(_ type: UInt16, ttl: UInt32 = 60, data: [UInt8]) -> [UInt8] {
    let numbers = [UInt16(type), 1, UInt16(ttl >> 16), UInt16(ttl & 0xffff), UInt16(data.count)]
    return [0xC0, 0x0C] + numbers.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] } + data
}

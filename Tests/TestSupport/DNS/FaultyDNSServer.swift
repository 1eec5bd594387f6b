import Dispatch
import Foundation
import Glibc
import Synchronization

/// A DNS server with programmable faults: UDP and TCP on one loopback address and port.
///
/// Protocol: RFC 1035 §4.2; several queries may use one TCP connection (RFC 7766 §6.2).
/// Concurrency: a thread of its own owns the sockets and calls the behaviour; all methods are for any thread.
/// Limits: none on connections and delayed responses; the tests bound them.
/// Errors: `SocketError` if an address is in use. A response that the kernel refuses is lost.
package final class FaultyDNSServer: Sendable {
    package let host: String
    package let port: UInt16
    private let shared: Shared
    /// A pipe that wakes the thread up. It outlives the thread, so that writing to it never raises SIGPIPE.
    private let wakeUp: (input: Int32, output: Int32)
    /// Entered while the thread runs.
    private let thread = DispatchGroup()

    /// What the thread and the tests share.
    final class Shared: Sendable {
        struct State {
            var behavior: @Sendable (DNSQuery) -> DNSBehavior
            var loss: DNSLoss
            var queries: [DNSQuery] = []
            var transmissions: [String: Int] = [:]
            var waiters: [Waiter] = []
            var isStopped = false
        }

        struct Waiter {
            let isDone: @Sendable ([DNSQuery]) -> Bool
            let continuation: CheckedContinuation<Void, Never>
        }

        let state: Mutex<State>

        init(_ state: sending State) { self.state = Mutex(state) }
    }

    /// Listens on `port` of `host`, or on a free port. `host` is an IPv4 address of 127.0.0.0/8.
    package init(
        host: String = "127.0.0.1", port: UInt16? = nil, loss: DNSLoss = .none,
        behavior: @escaping @Sendable (DNSQuery) -> DNSBehavior
    ) throws {
        shared = Shared(Shared.State(behavior: behavior, loss: loss))
        let sockets = try ServerSockets(host: host, port: port)
        var pipe: [Int32] = [0, 0]
        guard Glibc.pipe(&pipe) == 0 else {
            let code = errno
            for descriptor in sockets.all { close(descriptor) }
            throw SocketError(step: "pipe", code: code)
        }
        for descriptor in pipe { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        self.host = host
        self.port = sockets.port
        wakeUp = (input: pipe[1], output: pipe[0])
        thread.enter()
        let body = Thread { [shared, thread, output = wakeUp.output] in
            var loop = FaultyDNSLoop(sockets: sockets, wakeUp: output, shared: shared)
            loop.run()
            thread.leave()
        }
        body.name = "FaultyDNSServer"
        body.stackSize = 1 << 20
        body.start()
    }

    deinit {
        stop()
        close(wakeUp.input)
        close(wakeUp.output)
    }

    /// Closes all sockets and connections, and returns once they are closed. Delayed responses are dropped.
    /// Blocks for the time of one call of the behaviour. Safe to call more than once.
    package func stop() {
        let waiters = shared.state.withLock { state in
            state.isStopped = true
            defer { state.waiters = [] }
            return state.waiters
        }
        var octet: UInt8 = 0
        _ = write(wakeUp.input, &octet, 1)
        thread.wait()
        for waiter in waiters { waiter.continuation.resume() }
    }

    /// `127.0.0.1@5353`, as NameServer reads it.
    package var address: String { "\(host)@\(port)" }

    /// Applies to queries that the server receives from now on.
    package func setBehavior(_ behavior: @escaping @Sendable (DNSQuery) -> DNSBehavior) {
        shared.state.withLock { $0.behavior = behavior }
    }

    package func setLoss(_ loss: DNSLoss) { shared.state.withLock { $0.loss = loss } }

    /// What the server received so far, in order, queries that it pretends to have lost among them.
    package var queries: [DNSQuery] { shared.state.withLock(\.queries) }

    /// Returns once `isDone` holds for what the server received so far, or the server is stopped.
    package func received(until isDone: @escaping @Sendable ([DNSQuery]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isDone = shared.state.withLock { state in
                if state.isStopped || isDone(state.queries) { return true }
                state.waiters.append(Shared.Waiter(isDone: isDone, continuation: continuation))
                return false
            }
            if isDone { continuation.resume() }
        }
    }

    /// Returns once the server received a query for `name`.
    package func received(name: String) async { await received { $0.contains { $0.name == name } } }
}

/// What the server does with a query now.
struct DNSDecision {
    let query: DNSQuery
    let behavior: DNSBehavior
    let losesResponse: Bool
}

extension FaultyDNSServer.Shared {
    /// Records the query and calls the behaviour; `nil` if the query is lost. On the server's thread.
    func decision(on query: DNSQuery) -> DNSDecision? {
        let (query, behavior, loss, done) = state.withLock { state in
            var query = query
            let key = "\(query.name)/\(query.type)"
            query.transmission = state.transmissions[key, default: 0] + 1
            state.transmissions[key] = query.transmission
            query.wasLost = !query.overTCP && state.loss.losesQuery(query)
            state.queries.append(query)
            var done: [Waiter] = []
            if !state.waiters.isEmpty {
                let queries = state.queries
                done = state.waiters.filter { $0.isDone(queries) }
                state.waiters.removeAll { $0.isDone(queries) }
            }
            return (query, state.behavior, state.loss, done)
        }
        for waiter in done { waiter.continuation.resume() }
        guard !query.wasLost else { return nil }
        return DNSDecision(
            query: query, behavior: behavior(query),
            losesResponse: !query.overTCP && loss.losesResponse(to: query))
    }

    var isStopped: Bool { state.withLock(\.isStopped) }
}

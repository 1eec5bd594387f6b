import Discovery
import Glibc
import LocalSystem
import Synchronization

/// Sends queries to DNS servers, to one server after the other, until one answers or the time limit passes.
///
/// It has no cache. A query does not affect the result of another query. It only affects the order of the servers, if one
/// server answers and another does not.
///
/// Protocol: DNS over UDP with EDNS, TCP after truncation (RFC 1035 §4.2, RFC 6891, RFC 7766 §5), IPv4 and IPv6.
/// Concurrency: Any number of questions from any task. One thread does all I/O.
/// Limits: `maximumSockets` limits descriptors and memory. At the limit the oldest question ends early with `.local`.
/// Questions that get an answer are rarely the oldest.
/// Errors: `QueryError`, after `close()` always `.cancelled`. The initialiser throws `DNSTransportError`.
/// Security: Each question has its own socket for each server, with a random port out of 49,152 and a random identifier.
/// An attacker has to guess 31.6 bits (RFC 5452 §9.2). The transport ignores messages that do not match, and still uses the
/// real answer.
/// Not here: the answer to a question (ResponseParser), validation (UnboundDNS).
package final class DNSTransport: Sendable {
    private let commandQueue: CommandQueue
    private let current: Mutex<[NameServer]>
    private let forwardingLog: ForwardingLog
    package let settings: Settings
    /// Runs tasks on the transport's thread, which saves thread switches for tasks that ask questions. They must not block.
    package let executor: any TaskExecutor

    package struct Settings: Equatable, Sendable {
        /// The time limit for one question with all servers and retransmissions (`dns.timeout`).
        package var timeout: Duration
        /// The maximum number of sockets of open questions, one for each question and server. 1,000 names a second without
        /// an answer for 5 s use 5,000 sockets with one server, 10,000 with two, and twice as many if their MX is
        /// validated. A socket uses about 3 KB of kernel memory.
        package var maximumSockets: Int

        package init(timeout: Duration = .seconds(5), maximumSockets: Int = 16_384) {
            self.timeout = timeout
            self.maximumSockets = max(16, maximumSockets)
        }
    }

    /// - Parameters:
    ///   - servers: In the order of preference.
    ///   - onEvent: Called on the transport's thread; must not block.
    /// - Throws: `DNSTransportError` without servers, descriptors or a thread.
    package init(
        servers: [NameServer], settings: Settings = Settings(),
        onEvent: @escaping @Sendable (TransportEvent) -> Void = { _ in }
    ) throws(DNSTransportError) {
        guard !servers.isEmpty else { throw .noServers }
        self.settings = settings
        current = Mutex(servers)
        let poller: Poller
        do {
            poller = try Poller()
        } catch {
            throw .system(error.reason)
        }
        commandQueue = CommandQueue(waking: poller)
        let executor = TransportExecutor(commandQueue)
        self.executor = executor
        forwardingLog = ForwardingLog()
        let thread = BackgroundThread { [settings, commandQueue, forwardingLog] in
            TransportLoop(
                servers: servers, settings: settings, poller: poller, commandQueue: commandQueue,
                executor: executor, forwardingLog: forwardingLog, onEvent: onEvent
            ).run()
        }
        guard thread.start() else { throw .system("pthread_create: \(String(cString: strerror(errno)))") }
    }

    deinit { commandQueue.close() }

    /// Servers in use, in the configured order.
    package var servers: [NameServer] { current.withLock(\.self) }

    /// Replaces the servers, for open questions too.
    ///
    /// - Parameter servers: An empty list has no effect.
    package func update(servers: [NameServer]) {
        guard !servers.isEmpty else { return }
        current.withLock { $0 = servers }
        commandQueue.append(.replaceServers(servers))
    }

    /// Sends the query until an answer, the deadline, or the cancellation of the task.
    ///
    /// - Returns: An answer with response code NOERROR or NXDOMAIN.
    package func ask(_ query: DNSQuery, until deadline: ContinuousClock.Instant) async throws(QueryError) -> DNSMessage
    {
        let id = commandQueue.newID()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CommandQueue.Continuation) in
                commandQueue.append(.ask(id, query, until: deadline, continuation))
                // An earlier cancellation found no question, but has set the cancelled flag of the task.
                if Task.isCancelled { commandQueue.append(.cancel(id)) }
            }
        } onCancel: {
            commandQueue.append(.cancel(id))
        }
        return try result.get()
    }

    /// Opens a UDP port on 127.0.0.1 that forwards queries to the servers. Each query gets the whole answer in one datagram,
    /// even if the answer came over TCP. A failed query gets an error code, at the latest after the time limit, and after
    /// 45 s for DS and DNSKEY queries.
    ///
    /// At most 7,168 queries, and half of `maximumSockets`, are open at once. Beyond that, the oldest query fails.
    package func listen() throws(DNSTransportError) -> UInt16 {
        do {
            let listener = try DNSSocket.loopbackListener()
            commandQueue.append(.listen(listener.socket))
            return listener.port
        } catch {
            throw .system(error.reason)
        }
    }

    /// The result of a forwarded query that ended within the last `timeout`.
    package func forwardingResult(of name: WireName, type: UInt16) -> ForwardingResult {
        forwardingLog.result(of: name, type: type, since: .now - settings.timeout)
    }

    /// Ends open questions with `.cancelled`. It may be called again.
    package func close() { commandQueue.close() }

    /// Closes the transport, and returns when the thread has closed its sockets.
    package func closed() async {
        commandQueue.close()
        await commandQueue.waitForEnd()
    }
}

/// A transport cannot start. The text names the system call.
package enum DNSTransportError: Error, Equatable, Sendable, CustomStringConvertible {
    case noServers
    case system(String)

    package var description: String {
        switch self {
        case .noServers: "no DNS servers: expected at least one in dns.servers or /etc/resolv.conf"
        case .system(let reason): "the DNS client cannot start: \(reason)"
        }
    }
}

/// What happens in a transport, for metrics.
package enum TransportEvent: Sendable {
    /// A question began.
    case began
    /// A question ended. The server is the one with the answer or error; `nil` if there is none.
    case ended(DNSError.Cause?, NameServer?)
    case retransmitted
    /// A server moved behind the others, because it did not answer a question that another server answered.
    case failedOver(from: NameServer)
    /// A message was ignored, because it is malformed or does not match the question.
    case ignored(NameServer)
}

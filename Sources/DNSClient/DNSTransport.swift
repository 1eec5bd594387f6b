import Discovery
import Glibc
import Synchronization

/// Asks DNS servers: one question to one server after the other, until one answers or the time is over.
///
/// Protocol: DNS over UDP with EDNS, TCP after truncation (RFC 1035 §4.2, RFC 6891, RFC 7766 §5), IPv4 and IPv6.
/// Concurrency: any number of questions from any task. One thread of its own does all I/O.
/// Limits: `maximumSockets` bounds descriptors and memory. At the bound the oldest question ends early, with `.local`; a
/// question that is answered is never the oldest for long.
/// Errors: `QueryError`; after `close()` always `.cancelled`. Making one throws `DNSTransportError`.
/// Security: each question has a socket of its own to each server, on a random port out of 49,152, and a random identifier:
/// 31.6 bits for a forger to guess (RFC 5452 §9.2). Messages that do not match are ignored; the real answer is still used.
/// Caching: none. Nothing that one question meets changes the result of another; a server that fails where another one
/// answers is only asked later than that one.
/// Not here: what an answer means (ResponseParser), validation (UnboundDNS).
package final class DNSTransport: Sendable {
    private let queue: CommandQueue
    private let current: Mutex<[NameServer]>
    private let forwardingLog: ForwardingLog
    package let settings: Settings

    /// Plain values.
    package struct Settings: Equatable, Sendable {
        /// Bounds one question with all servers and retransmissions (`dns.timeout`).
        package var timeout: Duration
        /// Bounds the sockets of open questions: one for each question and server. 1,000 names a second that no server
        /// answers for 5 s take 5,000 with one server, 10,000 with two, and as many again if their MX is validated. A
        /// socket costs some 3 KB of kernel memory.
        package var maximumSockets: Int

        package init(timeout: Duration = .seconds(5), maximumSockets: Int = 16_384) {
            self.timeout = timeout
            self.maximumSockets = max(16, maximumSockets)
        }
    }

    /// - Parameters:
    ///   - servers: in the order in which they are asked.
    ///   - onEvent: called on the transport's thread; must not block.
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
        queue = CommandQueue(waking: poller)
        forwardingLog = ForwardingLog()
        let start = TransportThread { [settings, queue, forwardingLog] in
            TransportLoop(
                servers: servers, settings: settings, poller: poller, queue: queue,
                forwardingLog: forwardingLog, onEvent: onEvent
            ).run()
        }
        guard start.begin() else { throw .system("pthread_create: \(String(cString: strerror(errno)))") }
    }

    deinit { queue.close() }

    /// Servers in use, in the configured order.
    package var servers: [NameServer] { current.withLock(\.self) }

    /// From now on these are asked, by open questions too.
    ///
    /// - Parameter servers: an empty list changes nothing.
    package func update(servers: [NameServer]) {
        guard !servers.isEmpty else { return }
        current.withLock { $0 = servers }
        queue.append(.replaceServers(servers))
    }

    /// Asks until the deadline, or until the task is cancelled.
    ///
    /// - Returns: an answer with response code NOERROR or NXDOMAIN.
    /// - Throws: `QueryError`.
    package func ask(_ query: DNSQuery, until deadline: ContinuousClock.Instant) async throws(QueryError) -> DNSMessage
    {
        let id = queue.newID()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CommandQueue.Continuation) in
                queue.append(.ask(id, query, until: deadline, continuation))
                // A cancellation that came before found nothing to cancel, but has marked the task.
                if Task.isCancelled { queue.append(.cancel(id)) }
            }
        } onCancel: {
            queue.append(.cancel(id))
        }
        return try result.get()
    }

    /// Opens a UDP port on 127.0.0.1 whose queries go to the servers like questions of `ask`, and get the whole answer in
    /// one datagram, also if it came over TCP. A query that fails is answered with an error code when it fails; it never
    /// stays without an answer for longer than the time-out, DS and DNSKEY queries for 45 s.
    ///
    /// Limits: 7,168 open queries, and half of `maximumSockets`; at that number the oldest one fails.
    /// - Throws: `DNSTransportError`.
    package func listen() throws(DNSTransportError) -> UInt16 {
        do {
            let listener = try DNSSocket.loopbackListener()
            queue.append(.listen(listener.socket))
            return listener.port
        } catch {
            throw .system(error.reason)
        }
    }

    /// How a query that came by a port of `listen` ended within the last time-out.
    package func forwardingResult(of name: WireName, type: UInt16) -> ForwardingResult {
        forwardingLog.result(of: name, type: type, since: .now - settings.timeout)
    }

    /// Ends open questions with `.cancelled`. May be called again.
    package func close() { queue.close() }

    /// Closes, and returns when the thread has closed its sockets.
    package func closed() async {
        queue.close()
        await queue.ended()
    }
}

/// Why there is no transport. The text names the system call.
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
    /// A question ended. The server that answered or failed; `nil`: none did.
    case ended(DNSFailure.Cause?, NameServer?)
    case retransmitted
    /// A server left a question unanswered that another one answered: that one is asked first from now on.
    case failedOver(from: NameServer)
    /// A message that does not match its question, or cannot be read, was ignored.
    case ignored(NameServer)
}

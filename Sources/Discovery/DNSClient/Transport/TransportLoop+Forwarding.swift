import Discovery
import Glibc

/// The queries on the loopback ports of `DNSTransport.listen`.
///
/// A repeated query joins the open question, so a late answer reaches the repetition too.
extension TransportLoop {
    /// The source of a forwarded query.
    struct Requester {
        let listener: DNSSocket
        let address: sockaddr_in
        /// The identifier of its query.
        let queryID: (UInt8, UInt8)
    }

    /// The maximum number of repetitions of one query. libunbound sends two at most.
    private static let maximumRequesters = 8
    /// The maximum number of open forwarded questions. libunbound has a socket for each; its `outgoing-range` is 8,192.
    private var maximumForwarded: Int { min(7_168, settings.maximumSockets / 2) }
    /// After a failed DS or DNSKEY query, libunbound treats the whole zone as bogus for a minute. So these queries have a
    /// longer time limit than the question that needs them.
    static let timeForKeys = Duration.seconds(45)
    /// The maximum number of queries before the loop handles other sockets.
    private static let maximumQueriesAtOnce = 512
    /// The largest payload of a UDP datagram over IPv4.
    private static let maximumDatagram = 65_507

    func addListener(_ socket: DNSSocket) {
        let token = listenerToken(listeners.count)
        do {
            try poller.add(socket, token: token)
            listeners[token] = socket
        } catch {
            // libunbound gets no answers, and returns SERVFAIL after its own time-outs.
            socket.close()
        }
    }

    /// Sets the highest bit, which is clear in the tokens of questions.
    private func listenerToken(_ number: Int) -> Poller.Token { 1 << 63 | UInt64(number) }

    /// Receives all queries before it sends any, so that a burst does not overflow the kernel's buffer.
    func forwardQueries(from listener: DNSSocket) {
        var queries: [(DNSQuery, Requester)] = []
        var peer = sockaddr_in()
        while queries.count < Self.maximumQueriesAtOnce, let count = listener.receive(into: buffer, from: &peer) {
            guard peer.sin_addr.s_addr == UInt32(0x7F00_0001).bigEndian,
                let query = DNSQuery(forwarding: Array(buffer[..<count]))
            else { continue }
            let id = (query.octets[0], query.octets[1])
            queries.append((query, Requester(listener: listener, address: peer, queryID: id)))
        }
        // The time after the arrival of the queries. An earlier time would end them too soon.
        let now = Instant.now
        for (query, requester) in queries { forward(query, for: requester, at: now) }
    }

    private func forward(_ query: DNSQuery, for requester: Requester, at now: Instant) {
        let key = query.octets[2...]
        if let id = forwarded[key], let question = question(id), case .forwarded(var requesters) = question.caller {
            guard requesters.count < Self.maximumRequesters else { return }
            requesters.append(requester)
            question.caller = .forwarded(requesters)
            return
        }
        limitForwardedQuestions()
        let id = newQuestionID()
        forwarded[key] = id
        forwardedByAge.append(id)
        let time = query.isAboutKeys ? max(Self.timeForKeys, settings.timeout) : settings.timeout
        begin(id, query: query, until: now + time, caller: .forwarded([requester]), at: now)
    }

    /// Ends the oldest question at the limit. libunbound has a limited number of sockets, and queues further queries.
    private func limitForwardedQuestions() {
        while let first = forwardedByAge.first {
            if let oldest = question(first) {
                guard forwarded.count >= maximumForwarded else { return }
                end(oldest)
            }
            forwardedByAge.removeFirst()
        }
    }

    func respond(to requesters: [Requester], query: DNSQuery, outcome: Exchange.Outcome) {
        var response: [UInt8]
        switch outcome {
        case .answer(let packet, _, _) where packet.count <= Self.maximumDatagram: response = packet
        case .failed(.responseCode(let code), _): response = query.response(code: code)
        // Any other failure is SERVFAIL (2).
        case .answer, .failed: response = query.response(code: 2)
        }
        for requester in requesters {
            (response[0], response[1]) = requester.queryID
            _ = requester.listener.send(response, to: requester.address)
        }
    }
}

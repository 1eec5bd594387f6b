import Discovery
import Glibc

/// Queries that arrive on the loopback ports of `DNSTransport.listen`.
///
/// A query that is repeated while its question is under way joins it, so a late answer reaches the last repetition too.
extension TransportLoop {
    /// Where a forwarded query came from.
    struct Requester {
        let listener: DNSSocket
        let address: sockaddr_in
        /// The identifier of its query.
        let queryID: (UInt8, UInt8)
    }

    /// Repetitions of one query that are answered; libunbound makes two at most.
    private static let maximumRequesters = 8
    /// Open forwarded questions; libunbound's `outgoing-range` of 8,192 is larger. Each has a socket of libunbound's, too.
    private var maximumForwarded: Int { min(7_168, settings.maximumSockets / 2) }
    /// A failed DS or DNSKEY query makes libunbound call the whole zone bogus for a minute. So a silent server gets more
    /// time for them than the question that needs them has.
    static let timeForKeys = Duration.seconds(45)
    /// Other sockets get their turn between two rounds.
    private static let queriesAtOnce = 512
    /// The largest payload of a UDP datagram over IPv4.
    private static let maximumDatagram = 65_507

    func addListener(_ socket: DNSSocket) {
        let token = listenerToken(listeners.count)
        do {
            try poller.add(socket, token: token)
            listeners[token] = socket
        } catch {
            // Nobody listens: libunbound answers SERVFAIL after its own time-outs.
            socket.close()
        }
    }

    /// Tokens of questions' sockets have the highest bit clear.
    private func listenerToken(_ number: Int) -> Poller.Token { 1 << 63 | UInt64(number) }

    /// The queries that have arrived, before anything is sent: the kernel's buffer must not overflow in a burst.
    func forwardQueries(from listener: DNSSocket) {
        var queries: [(DNSQuery, Requester)] = []
        var peer = sockaddr_in()
        while queries.count < Self.queriesAtOnce, let count = listener.receive(into: buffer, from: &peer) {
            guard peer.sin_addr.s_addr == UInt32(0x7F00_0001).bigEndian,
                let query = DNSQuery(forwarding: Array(buffer[..<count]))
            else { continue }
            let id = (query.octets[0], query.octets[1])
            queries.append((query, Requester(listener: listener, address: peer, queryID: id)))
        }
        // The time after their arrival: one from before would end them too soon.
        let now = Instant.now
        for (query, requester) in queries { forward(query, for: requester, at: now) }
    }

    private func forward(_ query: DNSQuery, for requester: Requester, at now: Instant) {
        let key = query.octets[2...]
        if let id = forwarded[key], let question = question(id), case .forwarded(var requesters) = question.asker {
            guard requesters.count < Self.maximumRequesters else { return }
            requesters.append(requester)
            question.asker = .forwarded(requesters)
            return
        }
        makeRoom()
        let id = newQuestionID()
        forwarded[key] = id
        forwardedInOrder.append(id)
        let time = query.isAboutKeys ? max(Self.timeForKeys, settings.timeout) : settings.timeout
        begin(id, query, until: now + time, asker: .forwarded([requester]), at: now)
    }

    /// libunbound has a socket for each open query, and lets further ones wait. So the oldest ends before that.
    private func makeRoom() {
        while let first = forwardedInOrder.first {
            if let oldest = question(first) {
                guard forwarded.count >= maximumForwarded else { return }
                end(oldest)
            }
            forwardedInOrder.removeFirst()
        }
    }

    func respond(to requesters: [Requester], _ query: DNSQuery, _ outcome: Exchange.Outcome) {
        var response: [UInt8]
        switch outcome {
        case .answer(let packet, _, _) where packet.count <= Self.maximumDatagram: response = packet
        case .failed(.responseCode(let code), _): response = query.response(code: code)
        // Everything else that is no answer is SERVFAIL (2) to libunbound.
        case .answer, .failed: response = query.response(code: 2)
        }
        for requester in requesters {
            (response[0], response[1]) = requester.queryID
            _ = requester.listener.send(response, to: requester.address)
        }
    }
}

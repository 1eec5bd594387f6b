import Discovery
import Glibc

/// Sending and receiving for each question.
extension TransportLoop {
    // MARK: UDP

    /// - Returns: The actions after a failure to send.
    func transmit(_ question: Question, to server: ServerID, at now: Instant) -> [Exchange.Action] {
        do throws(DNSSocket.SystemCallError) {
            let entry = try datagramSocket(of: question, to: server)
            _ = try entry.socket.send(question.query.octets(id: entry.queryID))
            return []
        } catch {
            // The next system call reports an ICMP error of an earlier datagram.
            if error.isConnectionRefused { return question.exchange.refused(by: server, at: now) }
            return question.exchange.sendFailed(to: server, reason: error.reason, at: now)
        }
    }

    private func datagramSocket(
        of question: Question, to server: ServerID
    ) throws(DNSSocket.SystemCallError) -> SocketTable.Entry {
        for case let entry? in question.sockets.lazy.map({ self.sockets[$0] }) where entry.server == server {
            if case .datagram = entry.kind { return entry }
        }
        let address = pool.address(of: server)
        let socket = try openSocket(for: question) { () throws(DNSSocket.SystemCallError) in
            try DNSSocket.datagram(to: address)
        }
        let entry = SocketTable.Entry(
            socket: socket, question: question.id, server: server, queryID: .random(in: .min ... .max), kind: .datagram)
        try add(entry, to: question)
        return entry
    }

    /// Opens a socket. At the limit, or without a free file descriptor, it first ends the oldest question.
    private func openSocket(
        for question: Question, open: () throws(DNSSocket.SystemCallError) -> DNSSocket
    ) throws(DNSSocket.SystemCallError) -> DNSSocket {
        if sockets.count >= settings.maximumSockets { _ = endOldest(except: question) }
        do throws(DNSSocket.SystemCallError) {
            return try open()
        } catch {
            guard error.isOutOfDescriptors, endOldest(except: question) else { throw error }
            return try open()
        }
    }

    private func add(_ entry: SocketTable.Entry, to question: Question) throws(DNSSocket.SystemCallError) {
        let (index, token) = sockets.insert(entry)
        do throws(DNSSocket.SystemCallError) {
            try poller.add(entry.socket, token: token, isWriting: entry.kind.isWriting)
        } catch {
            sockets.remove(index)
            throw error
        }
        question.sockets.append(index)
    }

    // MARK: TCP

    /// - Returns: The actions after a failure to connect.
    func connect(_ question: Question, to server: ServerID, at now: Instant) -> [Exchange.Action] {
        let address = pool.address(of: server)
        do throws(DNSSocket.SystemCallError) {
            let socket = try openSocket(for: question) { () throws(DNSSocket.SystemCallError) in
                try DNSSocket.stream(to: address)
            }
            let id = UInt16.random(in: .min ... .max)
            let message = question.query.octets(id: id)
            let request = [UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message
            let entry = SocketTable.Entry(
                socket: socket, question: question.id, server: server, queryID: id,
                kind: .stream(unsent: request[...], received: []))
            try add(entry, to: question)
            return []
        } catch {
            return question.exchange.connectionFailed(to: server, error: .local(error.reason), at: now)
        }
    }

    // MARK: Receiving

    /// Returns the actions for an event on a socket of the question.
    func messages(on index: Int, event: Poller.Event, of question: Question, at now: Instant) -> [Exchange.Action] {
        guard let entry = sockets[index] else { return [] }
        switch entry.kind {
        case .datagram: return datagram(entry, of: question, at: now)
        case .stream(let unsent, let received):
            do throws(DNSSocket.SystemCallError) {
                if !unsent.isEmpty { return try send(unsent, on: index, entry: entry) }
                return try receive(received, on: index, entry: entry, of: question, at: now)
            } catch {
                close(index, of: question)
                return question.exchange.connectionFailed(to: entry.server, error: .lost, at: now)
            }
        }
    }

    private func datagram(_ entry: SocketTable.Entry, of question: Question, at now: Instant) -> [Exchange.Action] {
        do throws(DNSSocket.SystemCallError) {
            guard let count = try entry.socket.receive(into: buffer) else { return [] }
            return received(buffer[..<count], on: entry, overTCP: false, of: question, at: now)
        } catch {
            // Only an ICMP error of an earlier transmission causes this.
            return question.exchange.refused(by: entry.server, at: now)
        }
    }

    private func received(
        _ octets: UnsafeMutableRawBufferPointer.SubSequence, on entry: SocketTable.Entry, overTCP: Bool,
        of question: Question, at now: Instant
    ) -> [Exchange.Action] {
        let packet = [UInt8](octets)
        let reply = DNSReply.classify(packet, query: question.query, id: entry.queryID, overTCP: overTCP)
        switch reply {
        case .unrelated, .malformed: onEvent(.ignored(pool.address(of: entry.server)))
        case .truncated, .error, .answer: pool.received(from: entry.server, at: now)
        }
        return question.exchange.received(reply, packet: packet, from: entry.server, at: now)
    }

    // MARK: TCP messages

    private func send(
        _ unsent: ArraySlice<UInt8>, on index: Int, entry: SocketTable.Entry
    ) throws(DNSSocket.SystemCallError) -> [Exchange.Action] {
        let rest = unsent.dropFirst(try entry.socket.send(unsent))
        sockets[index]?.kind = .stream(unsent: rest, received: [])
        if rest.isEmpty { try poller.watchReading(entry.socket, token: entry.token) }
        return []
    }

    /// Receives two octets of length, then the message (RFC 1035 §4.2.2).
    private func receive(
        _ received: [UInt8], on index: Int, entry: SocketTable.Entry, of question: Question, at now: Instant
    ) throws(DNSSocket.SystemCallError) -> [Exchange.Action] {
        guard let count = try entry.socket.receive(into: buffer) else { return [] }
        let all = received + buffer[..<count]
        let length = all.count < 2 ? nil : Int(all[0]) << 8 | Int(all[1])
        if let length, all.count >= length + 2 {
            let packet = Array(all[2..<(length + 2)])
            close(index, of: question)
            let reply = DNSReply.classify(packet, query: question.query, id: entry.queryID, overTCP: true)
            switch reply {
            case .unrelated, .truncated:
                onEvent(.ignored(pool.address(of: entry.server)))
                return question.exchange.connectionFailed(to: entry.server, error: .lost, at: now)
            case .malformed(let reason):
                onEvent(.ignored(pool.address(of: entry.server)))
                return question.exchange.connectionFailed(to: entry.server, error: .malformed(reason), at: now)
            case .error, .answer:
                pool.received(from: entry.server, at: now)
                return question.exchange.received(reply, packet: packet, from: entry.server, at: now)
            }
        }
        if count == 0 {
            close(index, of: question)
            return question.exchange.connectionFailed(to: entry.server, error: .lost, at: now)
        }
        sockets[index]?.kind = .stream(unsent: [], received: all)
        return []
    }

    private func close(_ index: Int, of question: Question) {
        sockets.remove(index)
        question.sockets.removeAll { $0 == index }
    }
}

extension SocketTable.Kind {
    fileprivate var isWriting: Bool {
        guard case .stream(let unsent, _) = self else { return false }
        return !unsent.isEmpty
    }
}

extension DNSSocket.SystemCallError {
    /// Whether it is an ICMP error for a closed port. Linux reports no other ICMP error on a UDP socket (`icmp(7)`). Any other
    /// error belongs to this host.
    fileprivate var isConnectionRefused: Bool { code == ECONNREFUSED }
}

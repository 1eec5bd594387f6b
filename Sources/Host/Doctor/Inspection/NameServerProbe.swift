import Discovery
import Glibc

/// One question to one DNS server over one transport: whether it answers, and whether it validates.
///
/// Protocol: RFC 1035 §4, EDNS (RFC 6891) with DO and AD set, like Postfix with `smtp_dns_support_level = dnssec`.
/// Concurrency: blocks its thread, at most for `timeLimit`.
/// Not here: the records; the header of the answer is enough.
package struct NameServerProbe: Sendable {
    package enum Outcome: Equatable, Sendable {
        /// The rcode (RFC 1035 §4.1.1), and the AD bit (RFC 4035 §3.2.3).
        case answered(code: UInt8, isAuthenticated: Bool)
        /// No answer. The text is the reason.
        case silent(String)
    }

    package let server: NameServerAddress
    package let overTCP: Bool
    package let timeLimit: Duration

    package init(_ server: NameServerAddress, overTCP: Bool = false, timeLimit: Duration = .seconds(5)) {
        self.server = server
        self.overTCP = overTCP
        self.timeLimit = timeLimit
    }

    package func ask(_ question: DNSQuestion) -> Outcome {
        let identifier = UInt16.random(in: .min ... .max)
        guard let message = Self.message(question, identifier: identifier) else {
            return .silent("invalid name: \(question.name)")
        }
        let deadline = ContinuousClock.now + timeLimit
        do throws(ProbeSocket.ProbeError) {
            let reply = try overTCP ? exchangeByStream(message, until: deadline) : exchange(message, until: deadline)
            guard reply.count >= 12, reply[0...1].elementsEqual(message[0...1]), reply[2] & 0x80 != 0 else {
                return .silent("its answer is not a DNS message")
            }
            return .answered(code: reply[3] & 0x0F, isAuthenticated: reply[3] & 0x20 != 0)
        } catch {
            return .silent("\(error)")
        }
    }

    /// Retries after a third of the time: one datagram may get lost.
    private func exchange(_ message: [UInt8], until deadline: ContinuousClock.Instant) throws(ProbeSocket.ProbeError)
        -> [UInt8]
    {
        do throws(ProbeSocket.ProbeError) {
            return try datagram(message, until: deadline - timeLimit * 2 / 3)
        } catch {
            guard error == .timedOut else { throw error }
            return try datagram(message, until: deadline)
        }
    }

    private func datagram(_ message: [UInt8], until end: ContinuousClock.Instant) throws(ProbeSocket.ProbeError)
        -> [UInt8]
    {
        let socket = try ProbeSocket.connected(to: server.host, port: server.port, .datagram, until: end)
        try socket.send(message)
        return try socket.receive(atMost: 4_096)
    }

    /// RFC 1035 §4.2.2: two octets of length before each message.
    private func exchangeByStream(
        _ message: [UInt8], until deadline: ContinuousClock.Instant
    ) throws(ProbeSocket.ProbeError) -> [UInt8] {
        let socket = try ProbeSocket.connected(to: server.host, port: server.port, until: deadline)
        try socket.send([UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message)
        var reply: [UInt8] = []
        while reply.count < 2 || reply.count < 2 + (Int(reply[0]) << 8 | Int(reply[1])) {
            reply += try socket.receive(atMost: 65_537)
        }
        return Array(reply.dropFirst(2))
    }

    /// `nil` if the text is not a domain name.
    static func message(_ question: DNSQuestion, identifier: UInt16) -> [UInt8]? {
        // RD and AD; one question, one additional record.
        var message: [UInt8] = [UInt8(identifier >> 8), UInt8(identifier & 0xFF), 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1]
        for label in question.name.utf8.split(separator: UInt8(ascii: ".")) {
            guard label.count < 64 else { return nil }
            message.append(UInt8(label.count))
            message += label
        }
        guard message.count <= 12 + 254 else { return nil }
        let type = question.type.rawValue
        message += [0, UInt8(type >> 8), UInt8(type & 0xFF), 0, 1]
        // OPT: the root, type 41, 1,232 octets, DO.
        return message + [0, 0, 41, 0x04, 0xD0, 0, 0, 0x80, 0, 0, 0]
    }
}

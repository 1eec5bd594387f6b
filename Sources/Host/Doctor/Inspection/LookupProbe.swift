import Glibc
import PostfixConfig
import TextFormats

/// One table lookup in the protocol of Postfix.
///
/// Concurrency: blocks its thread, at most for `timeLimit`.
package struct LookupProbe: Sendable {
    package enum Outcome: Equatable, Sendable {
        /// The reply's text, escaped, without the protocol's framing: `OK secure …`, `500 NOTFOUND`.
        case answered(String)
        /// No process listens there. The text is the reason.
        case unreachable(String)
        /// This user may not connect; Postfix's user may.
        case forbidden
        /// A process listens, but sends nothing, or no reply of a table.
        case malformedReply(String)
    }

    /// A parent key: the bridge answers "not found" at once, without DNS.
    package static let probeKey = ".sts-bridge-doctor.invalid"

    package let table: DaemonConfiguration.Listener.Table
    package let address: TableAddress
    /// The first word of a socketmap request.
    package let map: String
    package let timeLimit: Duration

    package init(
        _ table: DaemonConfiguration.Listener.Table, address: TableAddress, map: String = "postfix",
        timeLimit: Duration = .seconds(5)
    ) {
        self.table = table
        self.address = address
        self.map = map
        self.timeLimit = timeLimit
    }

    /// Whether a text is the bridge's reply to `probeKey`.
    package func isRight(_ text: String) -> Bool {
        switch table {
        case .socketmap: text == "NOTFOUND "
        case .tcp: text.hasPrefix("500 ")
        }
    }

    package func ask(_ key: String) -> Outcome {
        let deadline = ContinuousClock.now + timeLimit
        let socket: ProbeSocket
        do throws(ProbeSocket.ProbeError) {
            socket = try connected(until: deadline)
        } catch {
            return error == .system(EACCES) || error == .system(EPERM) ? .forbidden : .unreachable("\(error)")
        }
        do throws(ProbeSocket.ProbeError) {
            try socket.send(request(key))
            var reply: [UInt8] = []
            while true {
                reply += try socket.receive(atMost: 65_536)
                switch Self.text(in: reply, table: table) {
                case .complete(let text): return .answered(UntrustedText.escaped(text))
                case .malformed:
                    return .malformedReply("not a \(table.rawValue) reply: \(UntrustedText.escaped(reply, limit: 60))")
                case .incomplete: continue
                }
            }
        } catch {
            return .malformedReply("it accepts the connection, then: \(error)")
        }
    }

    private func connected(until deadline: ContinuousClock.Instant) throws(ProbeSocket.ProbeError) -> ProbeSocket {
        switch address {
        case .inet(let host, let port):
            let target = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host
            return try ProbeSocket.connected(to: target, port: port, until: deadline)
        case .unix(let path): return try ProbeSocket.connected(toSocket: path, until: deadline)
        }
    }

    // MARK: The protocols

    private func request(_ key: String) -> [UInt8] {
        switch table {
        case .socketmap:
            let payload = "\(map) \(key)"
            return Array("\(payload.utf8.count):\(payload),".utf8)
        case .tcp: return Array("get \(key)\n".utf8)
        }
    }

    enum Reading: Equatable {
        case complete([UInt8])
        case incomplete
        case malformed
    }

    static func text(in reply: [UInt8], table: DaemonConfiguration.Listener.Table) -> Reading {
        switch table {
        case .tcp:
            guard let end = reply.firstIndex(of: UInt8(ascii: "\n")) else {
                return reply.count > 4_096 ? .malformed : .incomplete
            }
            let isStatus = end > 3 && reply[..<3].allSatisfy { (0x30...0x39).contains($0) } && reply[3] == 0x20
            return isStatus ? .complete(Array(reply[..<end])) : .malformed
        case .socketmap:
            let digits = reply.prefix { (0x30...0x39).contains($0) }
            guard digits.count < 8 else { return .malformed }
            guard digits.count < reply.count else { return .incomplete }
            guard reply[digits.count] == UInt8(ascii: ":"), let length = Int(String(decoding: digits, as: UTF8.self))
            else { return .malformed }
            let start = digits.count + 1
            guard reply.count > start + length else { return .incomplete }
            let text = Array(reply[start..<start + length])
            return reply[start + length] == UInt8(ascii: ",") ? .complete(text) : .malformed
        }
    }
}

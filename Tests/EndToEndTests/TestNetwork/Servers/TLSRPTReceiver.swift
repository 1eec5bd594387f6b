import Foundation
import Synchronization

/// The datagram that smtp(8) of Postfix 3.10 sends to a TLSRPT collector for each TLS handshake.
struct TLSRPTEvent: Decodable, Sendable {
    struct Policy: Decodable, Sendable {
        struct Failure: Decodable, Sendable {
            let code: Int
            /// The host name of the MX record.
            let mx: String?

            enum CodingKeys: String, CodingKey {
                case code = "c"
                case mx = "n"
            }
        }

        let type: Int
        let domain: String?
        let lines: [String]?
        let mxPatterns: [String]?
        let failures: [Failure]?
        /// 0: success, 1: failure.
        let isFailure: Int

        enum CodingKeys: String, CodingKey {
            case type = "policy-type"
            case domain = "policy-domain"
            case lines = "policy-string"
            case mxPatterns = "mx-host"
            case failures = "failure-details"
            case isFailure = "f"
        }
    }

    let domain: String
    let policies: [Policy]

    enum CodingKeys: String, CodingKey {
        case domain = "d"
        case policies
    }

    static let tlsa = 1
    static let sts = 2
    static let noPolicyFound = 9
    static let certificateHostMismatch = 202
}

/// A collector's socket (AF_UNIX, SOCK_DGRAM), read by the tests.
///
/// Postfix does not wait and drops datagrams that do not fit into the queue of the socket (10 datagrams). So a test reads
/// its events before it sends much more mail.
final class TLSRPTReceiver: Sendable {
    private let descriptor: Int32
    private let received = Mutex<[TLSRPTEvent]>([])

    /// - Parameter path: of the socket, at most 107 octets. Every user may send to it.
    init(at path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw TestNetworkError("socket: \(String(cString: strerror(errno)))") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let octets = Array(path.utf8)
        guard octets.count <= 107 else { throw TestNetworkError("too long for a unix socket: \(path)") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0, chmod(path, 0o666) == 0 else {
            throw TestNetworkError("\(path): \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        close(descriptor)
    }

    /// All events about a next-hop domain that arrived until now.
    func events(of domain: String) throws -> [TLSRPTEvent] {
        try received.withLock { received in
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                guard count >= 0 else {
                    guard errno == EAGAIN else { throw TestNetworkError("recv: \(String(cString: strerror(errno)))") }
                    break
                }
                received.append(try JSONDecoder().decode(TLSRPTEvent.self, from: Data(buffer[..<count])))
            }
            return received.filter { $0.domain == domain }
        }
    }

    /// The policy of the one event about a domain, as soon as it arrives.
    func policy(of domain: String) async throws -> TLSRPTEvent.Policy {
        let events = try await eventually("Postfix sends a TLSRPT event about \(domain)") {
            let events = try self.events(of: domain)
            return events.isEmpty ? nil : events
        }
        guard events.count == 1, events[0].policies.count == 1 else {
            throw TestNetworkError("not one event with one policy: \(events)")
        }
        return events[0].policies[0]
    }
}

import Discovery
import Synchronization
import Testing

@testable import DNSClient
@testable import UnboundDNS

func resolver(ports: UInt16..., host: String = "127.0.0.1", timeout: Duration = .seconds(5)) throws -> StubResolver {
    StubResolver(try transport(ports: ports, host: host, timeout: timeout))
}

func transport(
    ports: [UInt16], host: String = "127.0.0.1", timeout: Duration = .seconds(5), maximumSockets: Int = 4_096
) throws -> DNSTransport {
    try DNSTransport(
        servers: ports.map { try NameServer("\(host)@\($0)") },
        settings: .init(timeout: timeout, maximumSockets: maximumSockets))
}

extension Resolver {
    func txt(_ name: String) async throws(DNSError) -> DNSAnswer {
        try await resolve(DNSQuestion(name: name, type: .txt))
    }

    /// The cause of a failure; an answer is an issue.
    func cause(_ name: String, type: RecordType = .txt) async -> DNSError.Cause? {
        do throws(DNSError) {
            let answer = try await resolve(DNSQuestion(name: name, type: type))
            Issue.record("answered: \(answer.content)")
            return nil
        } catch {
            return error.cause
        }
    }
}

/// RDATA of a TXT record of these strings.
func rdata(_ strings: String...) -> [UInt8] {
    strings.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
}

/// A switch that a stub's reaction looks at.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool { value.load(ordering: .sequentiallyConsistent) }
    func set() { value.store(true, ordering: .sequentiallyConsistent) }
}

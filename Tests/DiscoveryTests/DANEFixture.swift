import DANE
import Discovery
import TestSupport

/// A scripted DNS with the usual records, and discoveries using it.
struct DANEFixture {
    let resolver = ScriptedValidatingResolver()

    static let address = DNSAnswer.Content.records([[192, 0, 2, 1]])
    static let address6 = DNSAnswer.Content.records([[UInt8](repeating: 0x20, count: 16)])
    /// `3 1 1`, usable.
    static let usableTLSA = DNSAnswer.Content.records([[3, 1, 1] + [UInt8](repeating: 7, count: 32)])
    /// `1 1 1`, unusable for SMTP.
    static let pkixTLSA = DNSAnswer.Content.records([[1, 1, 1] + [UInt8](repeating: 7, count: 32)])
    static let servfail = ScriptedValidatingResolver.Reply.failure(.responseCode(2))

    /// MX records, preferences 10, 20, …
    func mx(_ hosts: String..., of domain: String = "example.com", isSecure: Bool = true) {
        let data = hosts.enumerated().map { mxData(UInt16($0.offset + 1) * 10, name: $0.element) }
        resolver.script(domain, type: .mx, reply: isSecure ? .secure(.records(data)) : .insecure(.records(data)))
    }

    /// A host with one signed IPv4 address, and the TLSA reply `tlsa`.
    func host(_ name: String, isSecure: Bool = true, tlsa: ScriptedValidatingResolver.Reply? = nil) {
        resolver.script(name, type: .a, reply: isSecure ? .secure(Self.address) : .insecure(Self.address))
        resolver.script(name, type: .aaaa, reply: isSecure ? .secure(.noData) : .insecure(.noData))
        resolver.script("_25._tcp." + name, type: .tlsa, reply: tlsa ?? .secure(.nameError))
    }

    func report(
        on name: String = "example.com", port: UInt16 = 25, isHost: Bool = false
    ) async throws -> DANEReport {
        await DANEDiscovery(resolver: resolver)
            .report(on: Destination(domain: try domain(name), port: port, isHost: isHost))
    }

    func result(on name: String = "example.com") async throws -> DANEResult { try await report(on: name).result }

    /// The coverage without an earlier result.
    func coverage(of name: String = "example.com") async throws -> DANECoverage {
        try await result(on: name).coverage(wasSigned: false)
    }

    /// The status of the only host of `example.com`.
    func reason() async throws -> MXHostResult.Reason? {
        let hosts = try await result().hosts
        return hosts.count == 1 ? hosts.first?.reason : nil
    }

    /// The questions of one type, in order.
    func asked(_ type: RecordType) -> [String] { resolver.asked.filter { $0.type == type }.map(\.name) }
}

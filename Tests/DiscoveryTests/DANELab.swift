import DANE
import Discovery
import TestSupport

/// A scripted DNS with the usual records, and discoveries in it.
struct DANELab {
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
        let data = hosts.enumerated().map { mxData(UInt16($0.offset + 1) * 10, $0.element) }
        resolver.script(domain, .mx, isSecure ? .secure(.records(data)) : .insecure(.records(data)))
    }

    /// A host with one IPv4 address, which is all that is signed of it unless `tlsa` says more.
    func host(_ name: String, isSecure: Bool = true, tlsa: ScriptedValidatingResolver.Reply? = nil) {
        resolver.script(name, .a, isSecure ? .secure(Self.address) : .insecure(Self.address))
        resolver.script(name, .aaaa, isSecure ? .secure(.noData) : .insecure(.noData))
        resolver.script("_25._tcp." + name, .tlsa, tlsa ?? .secure(.nameError))
    }

    func report(
        on name: String = "example.com", port: UInt16 = 25, isHost: Bool = false
    ) async throws -> DANEReport {
        await DANEDiscovery(resolver: resolver)
            .report(on: DANEDestination(domain: try domain(name), port: port, isHost: isHost))
    }

    func finding(on name: String = "example.com") async throws -> DANEFinding { try await report(on: name).finding }

    /// The row of the table, nothing being known before.
    func coverage(of name: String = "example.com") async throws -> Coverage {
        try await finding(on: name).coverage(wasSigned: false)
    }

    /// How the one host of `example.com` is judged.
    func ground() async throws -> HostFinding.Ground? {
        let hosts = try await finding().hosts
        return hosts.count == 1 ? hosts.first?.ground : nil
    }

    /// The questions of one type, in order.
    func asked(_ type: RecordType) -> [String] { resolver.asked.filter { $0.type == type }.map(\.name) }
}

/// A service of master.cf that delivers mail and uses the bridge's replies, with the settings that decide what a reply
/// means to it.
package struct DeliveryService: Equatable, Sendable {
    package let name: String
    /// `smtp_dns_support_level = dnssec`
    package let validatesDNS: Bool
    package let securityLevel: SecurityLevel

    package init(name: String, validatesDNS: Bool, securityLevel: SecurityLevel) {
        self.name = name
        self.validatesDNS = validatesDNS
        self.securityLevel = securityLevel
    }

    /// - Parameter client: the service with its own overrides.
    package init(_ client: SMTPClient) {
        let parameters = client.parameters
        let level = parameters.text("smtp_tls_security_level")
        let enforces = parameters["smtp_enforce_tls"] == "yes"
        self.init(
            name: client.name, validatesDNS: parameters.text("smtp_dns_support_level").lowercased() == "dnssec",
            securityLevel: level.isEmpty && enforces ? .other("encrypt") : SecurityLevel(level))
    }

    /// The services that may ask the bridge: those with a socketmap or tcp table among their policy maps. If none has one,
    /// the bridge is not in main.cf yet, and all services count.
    package static func all(among clients: [SMTPClient]) -> [DeliveryService] {
        let asking = clients.filter(\.asksTableServer)
        return (asking.isEmpty ? clients : asking).map { DeliveryService($0) }
    }
}

extension SMTPClient {
    /// Whether a table of `smtp_tls_policy_maps` is a socketmap or tcp table and so may be the bridge. A table inside
    /// `pipemap` or `unionmap` counts.
    package var asksTableServer: Bool {
        PolicyTable.all(in: parameters.text("smtp_tls_policy_maps")).contains {
            $0.text.contains("socketmap:") || $0.text.contains("tcp:")
        }
    }
}

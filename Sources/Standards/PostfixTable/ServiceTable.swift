/// TCP port numbers by service name, as in services(5).
package struct ServiceTable: Equatable, Sendable {
    private let ports: [String: UInt16]

    /// - Parameter ports: by name. Case matters, as for getservbyname(3).
    package init(_ ports: [String: UInt16]) {
        self.ports = ports
    }

    /// The services of mail submission and relay (IANA's registry), for hosts without /etc/services.
    package static let wellKnown = ServiceTable(["smtp": 25, "smtps": 465, "submissions": 465, "submission": 587])

    /// The port of a service; `nil`: the name is unknown.
    package subscript(name: String) -> UInt16? { ports[name] }

    /// This table with the services of another table that it does not have.
    package func merged(with other: ServiceTable) -> ServiceTable {
        ServiceTable(ports.merging(other.ports) { own, _ in own })
    }
}

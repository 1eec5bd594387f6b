/// Decides to which addresses of a policy host the daemon connects.
///
/// The source is the IANA special-purpose address registries (RFC 6890 and its updates) of 2026.
///
/// Security: Every sender of mail can make us look up a domain, and so choose the address of an HTTPS connection. The filter
/// permits globally reachable unicast addresses only, so that a sender cannot probe our own network.
package struct AddressFilter: Sendable {
    /// Networks that are permitted in any case: a test network, the domains of the own site.
    package let allowed: [IPNetwork]

    package init(allowing allowed: [IPNetwork] = []) {
        self.allowed = allowed
    }

    package func permits(_ address: IPAddress) -> Bool {
        allowed.contains { $0.contains(address) } || Self.isGlobalUnicast(address)
    }

    private static func isGlobalUnicast(_ address: IPAddress) -> Bool {
        guard address.isIPv6 else { return !specialIPv4.contains { $0.contains(address) } }
        // The connection ends at the IPv4 address inside the IPv6 address, so check that (RFC 6052, RFC 3056).
        if nat64?.contains(address) == true { return isEmbeddedGlobal(in: address, at: 12) }
        if sixToFour?.contains(address) == true { return isEmbeddedGlobal(in: address, at: 2) }
        // No address outside 2000::/3 is global unicast (RFC 4291 §2.4): ::1, ::ffff:0:0/96, fc00::/7, fe80::/10, ff00::/8 …
        return globalIPv6?.contains(address) == true && !specialIPv6.contains { $0.contains(address) }
    }

    private static func isEmbeddedGlobal(in address: IPAddress, at offset: Int) -> Bool {
        guard let inner = IPAddress(octets: Array(address.octets[offset..<offset + 4])) else { return false }
        return isGlobalUnicast(inner)
    }

    private static let nat64 = IPNetwork("64:ff9b::/96")
    private static let sixToFour = IPNetwork("2002::/16")
    private static let globalIPv6 = IPNetwork("2000::/3")

    private static let specialIPv4 = [
        "0.0.0.0/8",  // this network
        "10.0.0.0/8",  // private
        "100.64.0.0/10",  // carrier-grade NAT
        "127.0.0.0/8",  // loopback
        "169.254.0.0/16",  // link-local; cloud metadata services live here
        "172.16.0.0/12",  // private
        "192.0.0.0/24",  // protocol assignments
        "192.0.2.0/24",  // documentation
        "192.31.196.0/24",  // AS112
        "192.52.193.0/24",  // AMT
        "192.88.99.0/24",  // 6to4 relay anycast
        "192.168.0.0/16",  // private
        "192.175.48.0/24",  // AS112
        "198.18.0.0/15",  // benchmarking
        "198.51.100.0/24",  // documentation
        "203.0.113.0/24",  // documentation
        "224.0.0.0/4",  // multicast
        "240.0.0.0/4",  // reserved, broadcast
    ].compactMap { IPNetwork($0) }

    private static let specialIPv6 = [
        "2001::/23",  // protocol assignments: Teredo, benchmarking, ORCHID …
        "2001:db8::/32",  // documentation
        "2620:4f:8000::/48",  // AS112
        "3fff::/20",  // documentation
    ].compactMap { IPNetwork($0) }
}

import IDNA
import MTASTS
import TextFormats

/// The destination in a lookup key.
///
/// Postfix sends the next-hop of a delivery: a recipient domain in any case and as raw UTF-8, or `host:port`, `[host]` or
/// `[host]:port` from transport_maps and relayhost. After "not found" it asks for the parent domains with a leading dot.
package struct NextHop: Hashable, Sendable {
    /// The domain whose policy applies (RFC 8461 §3.4).
    package let domain: PolicyDomain
    /// The port of the destination; `nil`: the key has an unknown service name.
    package let port: UInt16?
    /// Whether the key is in brackets: Postfix makes no MX lookup, and the domain itself is the only host.
    package let isHost: Bool

    /// The port of SMTP, for a key without a port.
    package static let defaultPort: UInt16 = 25

    package init(domain: PolicyDomain, port: UInt16? = defaultPort, isHost: Bool = false) {
        self.domain = domain
        self.port = port
        self.isHost = isHost
    }

    /// Parses a key.
    ///
    /// - Parameter services: the names that getservbyname(3) knows in Postfix.
    /// - Returns: `nil` for a key that can have no policy. Its reply is "not found" without any DNS query: an empty key, a
    ///   leading dot (RFC 8461 §3.4: a parent's policy does not cover a subdomain), an IP literal, a single label, or no
    ///   host name.
    package init?(key: [UInt8], services: ServiceTable) {
        guard let first = key.first, first != UInt8(ascii: ".") else { return nil }
        if first == UInt8(ascii: "[") {
            guard let bracket = key.lastIndex(of: UInt8(ascii: "]")),
                let port = Self.port(ofSuffix: key[(bracket + 1)...], services: services),
                let domain = Self.domain(key[1..<bracket])
            else { return nil }
            self.init(domain: domain, port: port.number, isHost: true)
        } else {
            let colon = key.firstIndex(of: UInt8(ascii: ":")) ?? key.endIndex
            guard let port = Self.port(ofSuffix: key[colon...], services: services),
                let domain = Self.domain(key[..<colon])
            else { return nil }
            self.init(domain: domain, port: port.number)
        }
    }

    /// Folds case, drops one final dot and converts U-labels.
    private static func domain(_ octets: ArraySlice<UInt8>) -> PolicyDomain? {
        let name = octets.last == UInt8(ascii: ".") ? octets.dropLast() : octets
        if name.allSatisfy({ $0 < 0x80 }) { return DomainName(name).flatMap(PolicyDomain.init) }
        guard let text = String(validating: name, as: UTF8.self), let ascii = try? InternationalDomainName.toASCII(text)
        else {
            return nil
        }
        // IDNA maps an ideographic full stop at the end to a dot.
        return PolicyDomain(ascii.hasSuffix(".") ? ascii.dropLast() : ascii[...])
    }

    private struct Port {
        let number: UInt16?
    }

    /// Parses the text after the host: nothing, or a colon and a port number or service name.
    private static func port(ofSuffix suffix: ArraySlice<UInt8>, services: ServiceTable) -> Port? {
        guard let colon = suffix.first else { return Port(number: defaultPort) }
        let service = suffix.dropFirst()
        guard colon == UInt8(ascii: ":"), (1...32).contains(service.count), service.allSatisfy(\.isServiceCharacter)
        else { return nil }
        let text = String(decoding: service, as: UTF8.self)
        if service.allSatisfy(\.isDigit) {
            guard let number = UInt16(text), number > 0 else { return nil }
            return Port(number: number)
        }
        return Port(number: services[text])
    }
}

extension UInt8 {
    /// RFC 6335 §5.1: letters, digits, hyphens.
    fileprivate var isServiceCharacter: Bool {
        isAlphanumeric || self == UInt8(ascii: "-")
    }
}

import TextFormats

/// A range of addresses: `192.0.2.0/24`, `2001:db8::/32`, or a single address.
package struct IPNetwork: Hashable, Sendable {
    private let base: IPAddress
    /// The number of significant leading bits: 0…32 for IPv4, 0…128 for IPv6.
    private let prefixLength: Int

    /// Parses an address, or an address, a slash and a prefix length. Ignores the bits of the address after the prefix.
    ///
    /// Returns `nil` if `text` has another form, or the prefix length is out of range.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let base = IPAddress(parts[0]) else { return nil }
        let bits = base.octets.count * 8
        guard parts.count == 2 else {
            self.init(base, prefixLength: bits)
            return
        }
        guard parts[1].utf8.allSatisfy(\.isDigit), let length = Int(parts[1]), length <= bits
        else { return nil }
        self.init(base, prefixLength: length)
    }

    private init(_ base: IPAddress, prefixLength: Int) {
        self.base = base
        self.prefixLength = prefixLength
    }

    package func contains(_ address: IPAddress) -> Bool {
        guard address.octets.count == base.octets.count else { return false }
        let whole = prefixLength / 8
        guard address.octets[..<whole] == base.octets[..<whole] else { return false }
        let rest = prefixLength % 8
        guard rest > 0 else { return true }
        return (address.octets[whole] ^ base.octets[whole]) >> (8 - rest) == 0
    }
}

extension IPNetwork: CustomStringConvertible {
    package var description: String { "\(base)/\(prefixLength)" }
}

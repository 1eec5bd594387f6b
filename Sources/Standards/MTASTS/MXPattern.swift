import TextFormats

/// The value of one `mx` key of a policy: the MX hosts that it allows (RFC 8461 §3.2, §4.1).
///
/// The grammar is `["*."] Domain`. A single label and dotted digits (`192.0.2.1`) match the grammar, so they are valid here. No MX
/// host has such a name in practice, and replies omit them (STS-3.2-s).
package enum MXPattern: Hashable, Sendable {
    /// This host only.
    case exact(DomainName)
    /// `*.NAME`: any host exactly one label below NAME.
    case anyLabel(of: DomainName)

    /// Returns `nil` if `octets` are not a pattern: a lone or partial wildcard, a final dot, a port, a U-label, …
    package init?(_ octets: some Collection<UInt8>) {
        if octets.starts(with: "*.") {
            guard let name = DomainName(octets.dropFirst(2)) else { return nil }
            self = .anyLabel(of: name)
        } else {
            guard let name = DomainName(octets) else { return nil }
            self = .exact(name)
        }
    }

    package init?(_ text: some StringProtocol) {
        self.init(Array(text.utf8))
    }

    /// The name without the wildcard.
    package var name: DomainName {
        switch self {
        case .exact(let name), .anyLabel(of: let name): name
        }
    }

    /// Whether an MX host can have a matching name. A mail server reads a single label as a keyword, and a name whose last
    /// label is all digits as an address (STS-3.2-s, pitfall 51).
    package var canNameHost: Bool {
        switch self {
        case .exact(let name): !name.isSingleLabel && !name.endsInDigits
        // The wildcard is a label itself, so one more is enough.
        case .anyLabel(of: let parent): !parent.endsInDigits
        }
    }

    /// Whether the pattern allows `host`, the name in the MX record (§4.1). The wildcard matches exactly one complete
    /// left-most label (RFC 6125 §6.4.3). Both names are in lower case.
    package func matches(_ host: DomainName) -> Bool {
        switch self {
        case .exact(let name):
            return host == name
        case .anyLabel(of: let parent):
            guard let dot = host.text.firstIndex(of: ".") else { return false }
            return host.text[dot...].dropFirst() == parent.text
        }
    }
}

extension MXPattern: CustomStringConvertible {
    package var description: String {
        switch self {
        case .exact(let name): name.text
        case .anyLabel(of: let parent): "*." + parent.text
        }
    }
}
